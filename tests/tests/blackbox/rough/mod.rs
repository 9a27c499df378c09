//! Bad networks, bad clients, and servers that go away: the normal case.

mod auto_end;
mod crowd;
mod half_open;
mod points;
mod rates;
mod restart;
mod slow_follower;
mod stopped_reader;
mod tokens;
mod wanderers;
