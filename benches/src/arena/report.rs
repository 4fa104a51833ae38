//! What a run has found, as tables and as a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::machine::Machine;
use super::workload::{CAUTIONS, Figures, Group, Unit, Workload};
use crate::peer::Peer;
use crate::statistics::{median, sorted};

/// The turns of a peer.
pub type Turns = (Peer, Vec<Figures>);

/// Everything that a run has found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where and from what.
    pub machine: Machine,
    /// Turns of each peer.
    pub rounds: usize,
    /// Whether turns were short.
    pub is_quick: bool,
    /// In the order in which they ran.
    pub workloads: Vec<Results>,
}

/// What a workload gave.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Its group.
    pub group: Group,
    /// Its name.
    pub name: String,
    /// What the figures count.
    pub unit: Unit,
    /// For each peer, by name, in the order of the tables.
    pub peers: Vec<PeerResults>,
}

/// What a peer's turns gave.
#[derive(Debug, Serialize)]
pub struct PeerResults {
    /// Its name.
    pub peer: &'static str,
    /// The figure of each turn.
    pub values: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// The median divided by that of `mini_rt`.
    pub to_mini_rt: Option<f64>,
    /// The median of the CPU time for each operation, in nanoseconds.
    pub cpu_nanos: Option<f64>,
    /// What to know of its turns, with how many of them it applies to.
    pub warnings: BTreeMap<&'static str, usize>,
    /// Medians of what else was told.
    pub more: BTreeMap<String, f64>,
}

impl Results {
    /// Puts the turns of each peer together.
    pub fn new(workload: &Workload, turns: &[Turns]) -> Self {
        let of = |turns: &[Figures]| median(turns.iter().map(|figures| figures.value));
        let own = turns.iter().find(|(peer, _)| *peer == Peer::MiniRt);
        let own = own.map(|(_, turns)| of(turns));
        let peers = turns.iter().map(|(peer, turns)| {
            let median_of_turns = of(turns);
            PeerResults {
                peer: peer.name(),
                values: turns.iter().map(|figures| figures.value).collect(),
                median: median_of_turns,
                to_mini_rt: own.map(|own| median_of_turns / own),
                cpu_nanos: median_if_all(turns, |figures| figures.cpu_nanos),
                warnings: warnings(turns),
                more: turns[0]
                    .more
                    .keys()
                    .filter(|name| CAUTIONS.iter().all(|caution| caution.name != *name))
                    .filter_map(|name| {
                        let median =
                            median_if_all(turns, |figures| figures.more.get(name).copied());
                        Some((name.clone(), median?))
                    })
                    .collect(),
            }
        });
        Self {
            group: workload.group,
            name: workload.name.clone(),
            unit: workload.unit,
            peers: peers.collect(),
        }
    }

    /// A table with a line for each peer.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let more = self.peers.iter().flat_map(|peer| peer.more.keys());
        let more: BTreeSet<&String> = more.collect();
        let unit = self.unit.name();
        write!(
            table,
            "| {} | {unit} | min | max | to mini_rt | CPU ns/op |",
            self.name
        )
        .expect("a string grows");
        for name in &more {
            table.extend([" ", name, " |"]);
        }
        table.push_str("\n|---|---:|---:|---:|---:|---:|");
        table.extend(more.iter().map(|_| "---:|"));
        table.push('\n');
        for peer in &self.peers {
            let values = sorted(peer.values.iter().copied());
            let optional = |value: Option<f64>, decimals: usize| match value {
                Some(value) => format!("{value:.decimals$}"),
                None => "-".to_owned(),
            };
            write!(
                table,
                "| {} | {} | {} | {} | {} | {} |",
                peer.peer,
                shown(peer.median),
                shown(values[0]),
                shown(values[values.len() - 1]),
                optional(peer.to_mini_rt, 2),
                optional(peer.cpu_nanos, 0),
            )
            .expect("a string grows");
            for name in &more {
                let value = peer.more.get(*name).copied();
                table.extend([" ", &value.map_or("-".to_owned(), shown), " |"]);
            }
            table.push('\n');
        }
        for PeerResults {
            peer,
            values,
            warnings,
            ..
        } in &self.peers
        {
            let turns = values.len();
            table.extend(warnings.iter().map(|(warning, concerned)| {
                format!("\n{peer}, {concerned} of {turns} turns: {warning}.\n")
            }));
        }
        table
    }
}

impl Report {
    /// The whole report in markdown.
    pub fn markdown(&self) -> String {
        let Self {
            rounds, machine, ..
        } = self;
        let kind = if self.is_quick { "quick" } else { "thorough" };
        let mut text = format!("# The arena\n\n{machine}\n\n{rounds} rounds, {kind}.\n");
        for group in Group::ALL {
            let mut results = self
                .workloads
                .iter()
                .filter(|results| results.group == group);
            if let Some(first) = results.next() {
                write!(text, "\n## {group}\n\n{}", first.table()).expect("a string grows");
                results.for_each(|results| text.extend(["\n", &results.table()]));
            }
        }
        text
    }
}

/// The cautions that apply to some of the turns, with the number of these.
fn warnings(turns: &[Figures]) -> BTreeMap<&'static str, usize> {
    let counts = CAUTIONS.map(|caution| {
        let applies = |figures: &&Figures| figures.more.get(caution.name) == Some(&1.0);
        (caution.warning, turns.iter().filter(applies).count())
    });
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn median_if_all(turns: &[Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = turns.iter().map(figure).collect();
    values.map(median)
}

/// As many digits as say something.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        value if value < 10.0 => 3,
        value if value < 1_000.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload {
            group: Group::Sockets,
            name: "echo".to_owned(),
            unit: Unit::PerSecond,
            peers: vec![Peer::MiniRt, Peer::Tokio],
            is_quick: true,
            turn: Box::new(|_, _| Ok(Figures::of(1.0))),
        }
    }

    fn figures(value: f64, cpu_nanos: Option<f64>) -> Figures {
        Figures {
            cpu_nanos,
            more: BTreeMap::from([("p99 us".to_owned(), value / 10.0)]),
            ..Figures::of(value)
        }
    }

    #[test]
    fn ratios_are_between_medians() {
        let turns = [
            (
                Peer::MiniRt,
                vec![figures(100.0, Some(3.0)), figures(300.0, Some(5.0))],
            ),
            (
                Peer::Tokio,
                vec![figures(100.0, None), figures(100.0, Some(1.0))],
            ),
        ];
        let results = Results::new(&workload(), &turns);
        assert_eq!(results.peers[1].to_mini_rt, Some(0.5));
        assert_eq!(
            (results.peers[0].cpu_nanos, results.peers[1].cpu_nanos),
            (Some(4.0), None)
        );
        let table = results.table();
        assert!(
            table.contains("| mini_rt | 200.0 | 100.0 | 300.0 | 1.00 | 4 | 20.0 |"),
            "{table}"
        );
        assert!(
            table.contains("| tokio | 100.0 | 100.0 | 100.0 | 0.50 | - | 10.0 |"),
            "{table}"
        );
    }

    #[test]
    fn cautions_are_told_of_the_peers_and_turns_that_they_apply_to() {
        let [caution, other] = CAUTIONS;
        let turn = |applies: f64| Figures {
            more: BTreeMap::from([
                (caution.name.to_owned(), applies),
                (other.name.to_owned(), 0.0),
            ]),
            ..Figures::of(1.0)
        };
        let turns = [
            (Peer::MiniRt, vec![turn(0.0), turn(0.0), turn(0.0)]),
            (Peer::Tokio, vec![turn(0.0), turn(1.0), turn(0.0)]),
        ];
        let table = Results::new(&workload(), &turns).table();
        let (_, below) = table.split_once("\n\n").unwrap();
        assert_eq!(
            below,
            format!("tokio, 1 of 3 turns: {}.\n", caution.warning)
        );
        assert!(!table.contains(caution.name), "no column: {table}");
    }
}
