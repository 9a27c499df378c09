//! `ackHeart`: how far a point has read.

use faceshare_biz::domain::instruction::Seq;

/// The highest seq that a point has said it has seen. It may lag behind, and never goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watermark(Seq);

impl Watermark {
    /// Takes the word of a point, as far as it can be true: never beyond `head`.
    pub fn raise(&mut self, said: Seq, head: Seq) {
        self.0 = self.0.max(said.min(head));
    }

    /// The highest seq seen.
    #[must_use]
    pub const fn get(self) -> Seq {
        self.0
    }
}
