//! Bad networks, misbehaving clients and servers that restart.

mod auto_end;
mod churn;
mod crowd;
mod half_open;
mod points;
mod rates;
mod restart;
mod slow_follower;
mod stopped_reader;
mod tokens;
