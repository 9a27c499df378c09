//! Panics of the server's tasks. The server survives them and would hide them from its clients, so they are counted where they happen.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// A history runs on one thread, so these are its own.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Starts to count, from 0, on this thread.
pub(crate) fn count_anew() {
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

/// How many there were since.
pub(crate) fn counted() -> u32 {
    PANICS.get()
}
