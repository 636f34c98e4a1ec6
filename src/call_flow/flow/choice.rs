//! The caller's choice to hang up, keep the place and be called back.

use super::*;

/// How often it is looked whether the wait is long enough to offer a call-back.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where the caller stands with it.
#[derive(Debug, Default)]
pub(super) enum Choice {
    /// It was not offered yet.
    #[default]
    NotOffered,
    /// The caller knows the key.
    Offered,
    /// The caller keys the number in.
    Numbering { digits: String },
}

impl Flow {
    /// When it is looked next whether to offer a call-back.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let offers = self
            .line_rules
            .as_ref()
            .is_some_and(|rules| rules.offers_call_back);
        let is_open = matches!(self.choice, Choice::NotOffered);
        let can_key = self.rules.answer == AnswerMode::AtOnce;
        (offers && is_open && can_key).then_some(now)
    }

    pub(super) fn look_whether_to_offer(&mut self, now: Instant, out: &mut Vec<Command>) {
        if let Stage::Waiting { look_at, .. } = &mut self.stage {
            *look_at = Some(now + LOOK_EVERY);
            out.push(Command::LookWhetherToOffer);
        }
    }

    /// Who hears of an incident hears of the call-back after that; then the keys are its.
    pub(super) fn on_may_call_back(&mut self, out: &mut Vec<Command>) {
        if let Stage::Waiting { look_at, .. } = &mut self.stage
            && matches!(self.choice, Choice::NotOffered)
            && !matches!(self.hearing, Hearing::Message)
        {
            *look_at = None;
            self.hearing = Hearing::Nothing;
            self.choice = Choice::Offered;
            self.play(ANNOUNCEMENT, Phrase::CallBackOffer, out);
        }
    }

    pub(super) fn on_choice_digit(&mut self, digit: char, out: &mut Vec<Command>) {
        match (&mut self.choice, digit) {
            (Choice::Offered, '1') => {
                self.choice = Choice::Numbering {
                    digits: String::new(),
                };
                self.play(ANNOUNCEMENT, Phrase::CallBackNumber, out);
            }
            (Choice::Numbering { .. }, '*') => {
                self.choice = Choice::Offered;
                self.play_music(out);
            }
            (Choice::Numbering { digits }, '#') => {
                let number = Some(std::mem::take(digits)).filter(|number| !number.is_empty());
                self.choice = Choice::Offered;
                self.stage = Stage::TakingCallBack;
                if let Some(digits) = number.clone() {
                    out.push(Command::Publish(EventKind::KeyedIn { digits }));
                }
                out.push(Command::TakeCallBack { number });
            }
            (Choice::Numbering { digits }, digit)
                if digit.is_ascii_digit() && digits.len() < KEYED_DIGITS_MAX =>
            {
                digits.push(digit);
            }
            (Choice::NotOffered | Choice::Offered | Choice::Numbering { .. }, _) => {}
        }
    }

    /// It is in the database: the caller may leave the line.
    pub(super) fn on_call_back_noted(&mut self, out: &mut Vec<Command>) {
        if matches!(self.stage, Stage::TakingCallBack) {
            self.flow_out(Refusing::CallBack, out);
        }
    }

    /// It could not be noted: the caller waits on and may choose again.
    pub(super) fn on_call_back_refused(&mut self, now: Instant, out: &mut Vec<Command>) {
        if matches!(self.stage, Stage::TakingCallBack) {
            self.wait_again(now, out);
            if matches!(self.stage, Stage::Waiting { .. }) {
                self.play(ANNOUNCEMENT, Phrase::CallBackOffer, out);
            }
        }
    }
}
