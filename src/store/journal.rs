//! The journal.
use crate::model::ids::WishId;
use crate::model::journal::OnceRequest;
/// A request whose intent is on disk.
#[derive(Debug)]
pub struct RecordedIntent {
    wish: WishId,
    request: OnceRequest,
}
impl RecordedIntent {
    /// The request as recorded.
    pub fn request(&self) -> &OnceRequest {
        &self.request
    }
    /// Its wish.
    pub fn wish(&self) -> WishId {
        self.wish
    }
}
