//! Legs that are to be dialled, at once or when it is known where to.

use super::*;

impl Shard {
    pub(super) fn dial(
        &mut self,
        now: Instant,
        contact: ContactId,
        leg: LegId,
        dialling: Dialling,
    ) {
        match dialling {
            Dialling::Now(dial) => self.command(now, CallCommand::Dial { leg, dial }),
            Dialling::LookUp(dial, host) => {
                self.looked_up.insert(leg);
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    let dial = host
                        .look_up()
                        .await
                        .map(|flow| Box::new(Dial { flow, ..*dial }));
                    sender.tell(ShardInput::Resolved { leg, dial }).await;
                });
            }
            Dialling::Search(dial, search) => {
                self.looked_up.insert(leg);
                let (house, sender) = (Arc::clone(&self.house), self.sender.clone());
                tokio::spawn(async move {
                    let dial = search.lead(&house, dial).await;
                    sender.tell(ShardInput::Resolved { leg, dial }).await;
                });
            }
            Dialling::Nowhere => {
                self.inputs
                    .push_back((contact, Input::AgentUnreachable { leg }));
                self.on_released(leg, None);
            }
        }
    }

    /// It is known where to dial; nowhere any more when the leg was given up meanwhile.
    pub(super) fn on_resolved(&mut self, now: Instant, leg: LegId, dial: Option<Box<Dial>>) {
        if !self.looked_up.remove(&leg) {
            return;
        }
        let Some((contact, _)) = self.legs.get(&leg) else {
            return;
        };
        let dialling = dial.map_or(Dialling::Nowhere, Dialling::Now);
        self.dial(now, *contact, leg, dialling);
    }
}
