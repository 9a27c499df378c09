//! Tests of the kernel: what each instruction does, in one file each, and what always holds, over
//! random histories.

mod action_sync;
mod auto_end;
mod cancel_auto_end;
mod cancel_follow;
mod cancel_follow_me;
mod documents;
mod epoch;
mod follow_change;
mod follow_me;
mod follow_other;
mod heart;
mod histories;
mod http_quit;
mod invariants;
mod knock;
mod member_change;
mod member_join;
mod mirror;
mod nonce;
mod point_state;
mod quit;
mod seat;
mod sess_end;
mod session_change;
mod world;
