//! Counts panics of the server's tasks. The server survives them and hides them from its clients.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// The panics of this thread; a history runs on one thread.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Resets the count of this thread.
pub(crate) fn reset() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    PANICS.set(0);
}

/// The number of panics since the reset.
pub(crate) fn counted() -> u32 {
    PANICS.get()
}
