//! Leaving a request without any answer, as scanners are left.

use super::dialog::Phase;
use super::{DialogId, RequestId, UserAgent};

impl UserAgent {
    /// Lets a call that came in go without an answer. No event follows; a repeated INVITE is a new call.
    pub fn ignore(&mut self, id: DialogId) {
        let Some(dialog) = self.dialogs.get(id.0) else {
            return;
        };
        if let Phase::Incoming(incoming) = &dialog.phase {
            let server = incoming.server;
            self.dialogs.remove(id.0);
            self.transactions.forget(server);
        }
    }

    /// Lets a request handed out by [`super::Event::Request`] go without an answer.
    pub fn ignore_request(&mut self, request: RequestId) {
        self.transactions.forget(request.0);
    }
}
