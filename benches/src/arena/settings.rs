//! What the command line asks for.

use crate::arguments::{count, list};
use crate::peer::Peer;
use lexopt::prelude::*;

use super::workload::{Effort, Group, Workload};

/// Rounds of a thorough run, and of a quick one.
const ROUNDS: (usize, usize) = (7, 5);

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Workloads whose names or groups begin with one of these; all if there are none.
    pub only: Vec<String>,
    /// Who takes part.
    pub peers: Vec<Peer>,
    /// How often each peer has its turn.
    pub rounds: usize,
    /// How long a turn may take.
    pub effort: Effort,
    /// What to do with the workloads.
    pub task: Task,
}

/// What to do with the workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Measure and report.
    Measure,
    /// Print their names.
    List,
    /// Compare the counts that repeat with the baseline, and fail if one has grown.
    Check,
    /// Write the baseline.
    Baseline,
}

/// What the command line may say.
pub const USAGE: &str = "\
cargo bench -p mini_rt_benches -- [OPTION...]

    --quick               fewer rounds, shorter turns, and only the workloads that say most
    --only NAME,...       workloads whose names, or groups, begin so
    --runtimes NAME,...   who takes part
    --rounds N            how often each has its turn
    --list                print the names of the workloads
    --check               compare counts with the baseline; fail if one has grown by more than 3 %
    --baseline            write the baseline that --check compares with
    --help                print this";

impl Settings {
    /// Reads the command line; `None` if it asks for help.
    ///
    /// # Errors
    /// When it is not as in [`USAGE`].
    pub fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut settings = Self {
            only: Vec::new(),
            peers: Peer::ALL.to_vec(),
            rounds: 0,
            effort: Effort { is_quick: false },
            task: Task::Measure,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("quick") => settings.effort.is_quick = true,
                Long("only") => settings.only = list(arguments.value()?)?,
                Long("runtimes") => settings.peers = list(arguments.value()?)?,
                Long("rounds") => settings.rounds = count(arguments.value()?)?,
                Long("list") => settings.task = Task::List,
                Long("check") => settings.task = Task::Check,
                Long("baseline") => settings.task = Task::Baseline,
                Long("help") => return Ok(None),
                // What cargo adds.
                Long("bench") => {}
                _ => return Err(argument.unexpected()),
            }
        }
        if settings.rounds == 0 {
            let (thorough, quick) = ROUNDS;
            settings.rounds = if settings.effort.is_quick {
                quick
            } else {
                thorough
            };
        }
        Ok(Some(settings))
    }

    /// How often each peer has its turn at a workload. Counts repeat, so a quick run takes them once.
    pub fn rounds_of(&self, workload: &Workload) -> usize {
        if self.effort.is_quick && workload.group == Group::Counts {
            1
        } else {
            self.rounds
        }
    }

    /// Whether a workload is asked for.
    pub fn wants(&self, workload: &Workload) -> bool {
        if self.only.is_empty() {
            return workload.is_quick || !self.effort.is_quick;
        }
        let begins = |start: &String| {
            workload.name.starts_with(start) || workload.group.name().starts_with(start)
        };
        self.only.iter().any(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::super::workload::{Figures, Unit};
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Settings>, lexopt::Error> {
        Settings::parse(lexopt::Parser::from_iter(["arena"].iter().chain(arguments)))
    }

    #[test]
    fn the_command_line_is_read() {
        let settings = parse(&["--bench"]).unwrap().unwrap();
        assert_eq!((settings.rounds, settings.task), (7, Task::Measure));
        let settings = parse(&["--quick", "--runtimes", "tokio,raw", "--only", "echo"]);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.rounds, settings.effort.is_quick), (5, true));
        assert_eq!(settings.peers, [Peer::Tokio, Peer::Raw]);
        assert_eq!(parse(&["--help"]).unwrap(), None);
        for wrong in [["--rounds", "0"], ["--runtimes", "tokyo"], ["--slow", ""]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn workloads_are_chosen_by_the_start_of_their_names() {
        let workload = |name: &str, is_quick| Workload {
            group: Group::Sockets,
            name: name.to_owned(),
            unit: Unit::PerSecond,
            peers: vec![Peer::MiniRt],
            is_quick,
            turn: Box::new(|_, _| Ok(Figures::of(1.0))),
        };
        let (echo, bulk) = (workload("echo-1c", true), workload("bulk", false));
        let wanted = |arguments: &[&str]| {
            let settings = parse(arguments).unwrap().unwrap();
            [&echo, &bulk].map(|workload| settings.wants(workload))
        };
        let counts = Workload {
            group: Group::Counts,
            ..workload("instructions", true)
        };
        let rounds = |arguments: &[&str]| {
            let settings = parse(arguments).unwrap().unwrap();
            [&echo, &counts].map(|workload| settings.rounds_of(workload))
        };
        assert_eq!(rounds(&["--rounds", "4"]), [4, 4]);
        assert_eq!(rounds(&["--rounds", "4", "--quick"]), [4, 1]);
        assert_eq!(wanted(&[]), [true, true]);
        assert_eq!(wanted(&["--quick"]), [true, false]);
        assert_eq!(wanted(&["--only", "bulk,tasks", "--quick"]), [false, true]);
        assert_eq!(wanted(&["--only", "sockets"]), [true, true]);
    }
}
