//! What flows want, done: each command of a call's flow by the part of the gateway that can.

use super::*;

impl Shard {
    pub(super) fn feed(&mut self, now: Instant, contact: ContactId, input: Input) {
        let mut said = std::mem::take(&mut self.said);
        if let Some(call) = self.calls.get_mut(&contact) {
            call.flow.handle(now, input, &mut said);
        }
        self.obey(now, contact, said);
    }

    pub(super) fn obey(&mut self, now: Instant, contact: ContactId, mut said: Vec<Command>) {
        for command in said.drain(..) {
            self.obey_one(now, contact, command);
        }
        self.said = said;
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        let due = call.flow.next_timeout();
        if due != call.due {
            if let Some(before) = std::mem::replace(&mut call.due, due) {
                self.due.remove(&(before, contact));
            }
            self.due.extend(due.map(|at| (at, contact)));
        }
    }

    fn obey_one(&mut self, now: Instant, contact: ContactId, command: Command) {
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        match command {
            Command::Identify => {
                if let Some(known) = self
                    .house
                    .identify(&self.sender, contact, &call.arrival.claim)
                {
                    self.on_identified(contact, known);
                }
            }
            Command::LinkTicket { keyed_in } => {
                if call.arrival.number.rules.time_to_key_in().is_some() {
                    call.lines_up_since = self.house.now();
                }
                self.house
                    .link_ticket(&self.sender, contact, call, keyed_in);
            }
            Command::AttachToIncident { incident } => {
                self.house
                    .attach_to_incident(&self.sender, contact, call, &incident);
            }
            Command::RecordMessage { incident } => {
                let leg = call.caller_leg;
                let house = &self.house;
                match house.record_message(&self.sender, contact, call, &incident) {
                    Some(tap) => self.command(now, CallCommand::Tap { leg, tap }),
                    None => {
                        let failed = Input::MessageKept(MessageKept::Failed);
                        self.inputs.push_back((contact, failed));
                    }
                }
            }
            Command::EndMessage => {
                let (leg, tap) = (call.caller_leg, messages::TAP);
                self.command(now, CallCommand::StopTap { leg, tap });
            }
            Command::Enqueue { queue, priority } => {
                let line = self.house.line_of(queue);
                self.inputs
                    .push_back((contact, Input::LineChosen(line.clone())));
                let house = &self.house;
                if call.last_agent == LastAgent::NotAsked
                    && house.look_for_last_agent(&self.sender, contact, call, &line)
                {
                    call.last_agent = LastAgent::Asked { line, priority };
                } else {
                    self.enter_line(contact, line, priority);
                }
            }
            Command::Move { to } => {
                let to = self.house.line_of(to);
                match self.house.why_closed(&to) {
                    None => self.change(contact, Verb::Move { contact, to }),
                    Some(_) => {
                        let reason = Refusal::QueueClosed;
                        let refused = Input::Verb(Answer::Refused { reason });
                        self.inputs.push_back((contact, refused));
                    }
                }
            }
            Command::Change(verb) => self.change(contact, verb),
            Command::Publish(kind) => {
                // Who leaves before the line counts where they wanted to stand.
                let is_of_line = matches!(
                    kind,
                    EventKind::Informed { .. }
                        | EventKind::Blocked { .. }
                        | EventKind::Failed { .. }
                );
                let queue = is_of_line.then(|| call.flow.line().clone());
                self.house.publish_in(queue, contact, kind);
            }
            Command::RingAgent {
                leg,
                agent,
                deadline,
            } => {
                self.legs.insert(leg, (contact, call.add_rung()));
                let dialling = self.house.dial_agent(contact, call, &agent, deadline);
                self.dial(now, contact, leg, dialling);
            }
            Command::TransferOut { leg, to, deadline } => {
                self.legs.insert(leg, (contact, call.add_rung()));
                let dialling = self.house.dial_number(call, &to, deadline);
                self.dial(now, contact, leg, dialling);
            }
            Command::Play { play, phrase } => {
                let leg = call.caller_leg;
                self.play(now, contact, leg, play, &phrase);
            }
            Command::PlayTo { leg, play, phrase } => self.play(now, contact, leg, play, &phrase),
            Command::LookWhetherToOffer => {
                if self.house.may_call_back(contact, call) {
                    self.inputs.push_back((contact, Input::MayCallBack));
                }
            }
            Command::TakeCallBack { number } => {
                self.house
                    .take_call_back(&self.sender, contact, call, number);
            }
            Command::KeepCallBack => self.house.change_call_back(contact, CallBackChange::Keep),
            Command::DropCallBack => self.house.change_call_back(contact, CallBackChange::Drop),
            Command::CallBackTalks => self.house.change_call_back(contact, CallBackChange::Talks),
            Command::CallBackDone => self.house.change_call_back(contact, CallBackChange::Done),
            Command::CallBackMissed => {
                let rules = self.house.call_back_rules(call.flow.line());
                let missed = CallBackChange::Missed {
                    again: self.house.mint_contact(self.sender.index()),
                    due_at: self.house.now() + rules.retry_after,
                };
                self.house.change_call_back(contact, missed);
            }
            Command::CallCaller {
                leg,
                number,
                agent_leg,
                deadline,
            } => {
                self.legs.insert(leg, (contact, LegRole::Caller));
                call.legs += 1;
                let mut dialling = self.house.dial_caller(call, &number, deadline);
                dialling.join(agent_leg);
                self.dial(now, contact, leg, dialling);
            }
            Command::KeepScore { score } => {
                let line = call.flow.line().clone();
                self.house.keep_score(contact, line, score);
            }
            Command::StandAside => self.stand_aside(contact),
            Command::Voice(CallCommand::HangUp { leg } | CallCommand::StandDown { leg })
                if self.looked_up.remove(&leg) =>
            {
                self.on_released(leg, None)
            }
            Command::Voice(command) => self.command(now, command),
            Command::Close(result) => self.close(contact, result),
        }
    }

    pub(super) fn play(
        &mut self,
        now: Instant,
        contact: ContactId,
        leg: LegId,
        play: PlayId,
        phrase: &Phrase,
    ) {
        let Some(call) = self.calls.get(&contact) else {
            return;
        };
        let (clips, repeat) = self.house.speak(contact, call, phrase);
        if clips.is_empty() {
            self.inputs.push_back((contact, Input::PlayEnded(play)));
            return;
        }
        let command = CallCommand::Play {
            leg,
            play,
            clips,
            repeat,
        };
        self.command(now, command);
    }

    /// The contact waits in the line without a call of ours; its legs are on their way out.
    pub(super) fn stand_aside(&mut self, contact: ContactId) {
        if let Some(call) = self.calls.remove(&contact) {
            self.house.acd.put_down(contact);
            self.house
                .keep_trace(contact, ContactResult::CallBack, call.ladder);
        }
    }

    pub(super) fn command(&mut self, now: Instant, command: CallCommand) {
        let house = &self.house;
        let shard = self.sender.index();
        self.control
            .handle_command(now, command, &mut |leg| house.open_port(leg, shard));
    }

    /// Asks the desk; with the store in this process the answer is there at once.
    pub(super) fn change(&mut self, contact: ContactId, verb: Verb) {
        let acd = &self.house.acd;
        if acd.is_shared() {
            let sender = self.sender.clone();
            acd.submit(verb, move |outcome| {
                // A call waits for this answer, and for nothing else.
                if let Err(input) = sender.offer(ShardInput::Verb { contact, outcome }) {
                    tokio::spawn(async move { sender.tell(input).await });
                }
            });
        } else if let Some(answer) = acd.try_change_now(verb) {
            self.inputs.push_back((contact, Input::Verb(answer)));
        }
    }

    pub(super) fn close(&mut self, contact: ContactId, result: ContactResult) {
        let Some(call) = self.calls.get_mut(&contact) else {
            return;
        };
        call.result = Some(result);
        if let Some(due) = call.due.take() {
            self.due.remove(&(due, contact));
        }
        if let Course::CallBack(_) = call.flow {
            self.house.acd.put_down(contact);
        }
        self.forget_if_over(contact);
    }

    pub(super) fn forget_if_over(&mut self, contact: ContactId) {
        let is_over = |call: &Call| call.legs == 0 && call.result.is_some();
        if !self.calls.get(&contact).is_some_and(is_over) {
            return;
        }
        if let Some(Call {
            result: Some(result),
            ladder,
            ..
        }) = self.calls.remove(&contact)
        {
            self.house.keep_trace(contact, result, ladder);
        }
    }
}
