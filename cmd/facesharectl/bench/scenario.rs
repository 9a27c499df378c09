//! What is done to a server.

mod control;
mod fairness;
mod fanout;
mod idle;
mod join;
mod saturate;
mod storm;

use super::args::{Args, Scenario};
use super::report::Report;
use super::stand::Stand;
use anyhow::Result;
use std::time::Duration;

pub(super) fn run(args: &Args, stand: &Stand) -> Result<Report> {
    let duration = |default: u64| args.duration.unwrap_or(Duration::from_secs(default));
    match &args.scenario {
        Scenario::Fanout(fanout) => fanout::run(stand, *fanout, args.warmup, duration(10)),
        Scenario::Idle(idle) => idle::run(stand, *idle, args.warmup, duration(40)),
        Scenario::Join(join) => join::run(stand, *join),
        Scenario::Storm(storm) => storm::run(stand, *storm, args.warmup),
        Scenario::Control(control) => control::run(stand, *control, args.warmup, duration(10)),
        Scenario::Saturate(saturate) => saturate::run(stand, *saturate, duration(3)),
        Scenario::Fairness(fairness) => fairness::run(stand, *fairness, args.warmup, duration(10)),
    }
}
