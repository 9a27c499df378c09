//! The scenarios.

mod control;
mod fairness;
mod fanout;
mod idle;
mod join;
mod saturate;
mod storm;

use super::args::{BenchArgs, Scenario};
use super::environment::Environment;
use super::report::Report;
use anyhow::Result;
use std::time::Duration;

pub(super) fn run(args: &BenchArgs, environment: &Environment) -> Result<Report> {
    let duration = |default: u64| args.duration.unwrap_or(Duration::from_secs(default));
    match &args.scenario {
        Scenario::Fanout(fanout) => fanout::run(environment, *fanout, args.warmup, duration(10)),
        Scenario::Idle(idle) => idle::run(environment, *idle, args.warmup, duration(40)),
        Scenario::Join(join) => join::run(environment, *join),
        Scenario::Storm(storm) => storm::run(environment, *storm, args.warmup),
        Scenario::Control(control) => {
            control::run(environment, *control, args.warmup, duration(10))
        }
        Scenario::Saturate(saturate) => saturate::run(environment, *saturate, duration(3)),
        Scenario::Fairness(fairness) => {
            fairness::run(environment, *fairness, args.warmup, duration(10))
        }
    }
}
