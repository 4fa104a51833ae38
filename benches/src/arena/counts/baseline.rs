//! The counts that a change must not raise, and the comparison with them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How much more, in parts of the baseline, is not worth an error.
const TOLERANCE: f64 = 0.03;

/// Counts of `mini_rt`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The compiler, on which counts depend.
    pub rustc: String,
    /// Instructions, by operation and then by flavour.
    pub instructions: BTreeMap<String, BTreeMap<String, f64>>,
    /// System calls for each request, by workload.
    pub system_calls: BTreeMap<String, f64>,
}

impl Baseline {
    /// Every count, by its whole name.
    fn counts(&self) -> BTreeMap<String, f64> {
        let instructions = self.instructions.iter().flat_map(|(operation, flavours)| {
            flavours
                .iter()
                .map(move |(flavour, &count)| (format!("{operation}, {flavour}"), count))
        });
        let calls = self.system_calls.iter();
        let calls = calls.map(|(name, &count)| (format!("{name}, system calls"), count));
        instructions.chain(calls).collect()
    }
}

/// A baseline beside what is counted now.
#[derive(Debug, PartialEq)]
pub struct Comparison(Vec<Line>);

#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    baseline: Option<f64>,
    now: Option<f64>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Grown,
    Shrunk,
    Missing,
}

impl Line {
    fn verdict(&self) -> Verdict {
        match (self.baseline, self.now) {
            (Some(baseline), Some(now)) if now > baseline * (1.0 + TOLERANCE) => Verdict::Grown,
            (Some(baseline), Some(now)) if now < baseline * (1.0 - TOLERANCE) => Verdict::Shrunk,
            (Some(_), Some(_)) => Verdict::Same,
            _ => Verdict::Missing,
        }
    }
}

impl Comparison {
    /// Puts each count beside its baseline.
    pub fn new(baseline: &Baseline, now: &Baseline) -> Self {
        let (mut before, now) = (baseline.counts(), now.counts());
        let mut lines: Vec<Line> = now
            .into_iter()
            .map(|(name, now)| Line {
                baseline: before.remove(&name),
                now: Some(now),
                name,
            })
            .collect();
        lines.extend(before.into_iter().map(|(name, baseline)| Line {
            name,
            baseline: Some(baseline),
            now: None,
        }));
        Self(lines)
    }

    fn names(&self, verdict: Verdict) -> Vec<&str> {
        let lines = self.0.iter().filter(|line| line.verdict() == verdict);
        lines.map(|line| line.name.as_str()).collect()
    }

    /// Whether something is better by so much that a new baseline should hold it fast.
    pub fn has_improved(&self) -> bool {
        !self.names(Verdict::Shrunk).is_empty()
    }

    /// What must not be.
    ///
    /// # Errors
    /// When a count has grown by more than 3 %, or is missing on one side.
    pub fn verdict(&self) -> Result<(), String> {
        let kinds = [
            (Verdict::Grown, "grown"),
            (Verdict::Missing, "on one side only"),
        ];
        let reasons = kinds.map(|(verdict, word)| match &self.names(verdict)[..] {
            [] => None,
            names => Some(format!("{word}: {}", names.join("; "))),
        });
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons.join(". "))
        }
    }
}

/// A table.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| count | baseline | now | change | |\n|---|---:|---:|---:|---|"
        )?;
        for line in &self.0 {
            let shown = |count: Option<f64>| count.map_or("-".to_owned(), |n| format!("{n:.2}"));
            let change = match (line.baseline, line.now) {
                (Some(baseline), Some(now)) if baseline != 0.0 => {
                    format!("{:+.1} %", (now / baseline - 1.0) * 100.0)
                }
                _ => "-".to_owned(),
            };
            let verdict = match line.verdict() {
                Verdict::Same => "",
                Verdict::Grown => "grown",
                Verdict::Shrunk => "better",
                Verdict::Missing => "missing",
            };
            let (name, baseline, now) = (&line.name, shown(line.baseline), shown(line.now));
            writeln!(f, "| {name} | {baseline} | {now} | {change} | {verdict} |")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<const N: usize>(counts: [(&str, f64); N]) -> Baseline {
        Baseline {
            system_calls: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            ..Baseline::default()
        }
    }

    fn compare(baseline: f64, now: f64) -> Comparison {
        Comparison::new(&counts([("echo", baseline)]), &counts([("echo", now)]))
    }

    #[test]
    fn three_per_cent_are_tolerated() {
        for now in [98.0, 100.0, 102.9] {
            let comparison = compare(100.0, now);
            assert_eq!(comparison.verdict(), Ok(()), "{now}");
            assert!(!comparison.has_improved(), "{now}");
        }
        assert_eq!(compare(0.0, 0.0).verdict(), Ok(()));
    }

    #[test]
    fn what_has_grown_is_an_error() {
        let comparison = compare(100.0, 103.5);
        let error = comparison.verdict().unwrap_err();
        assert_eq!(error, "grown: echo, system calls");
        let table = comparison.to_string();
        let line = "| echo, system calls | 100.00 | 103.50 | +3.5 % | grown |";
        assert!(table.contains(line), "{table}");
        assert!(compare(0.0, 0.1).verdict().is_err());
    }

    #[test]
    fn what_has_shrunk_is_told() {
        let comparison = compare(100.0, 90.0);
        assert_eq!(comparison.verdict(), Ok(()));
        assert!(comparison.has_improved());
        assert!(comparison.to_string().contains("| -10.0 % | better |"));
    }

    #[test]
    fn what_is_missing_on_either_side_is_an_error() {
        let (one, two) = (counts([("a", 1.0)]), counts([("a", 1.0), ("b", 2.0)]));
        for comparison in [Comparison::new(&one, &two), Comparison::new(&two, &one)] {
            let error = comparison.verdict().unwrap_err();
            assert_eq!(error, "on one side only: b, system calls");
            assert!(comparison.to_string().contains("| missing |"));
        }
    }

    #[test]
    fn a_baseline_is_read_back_and_has_a_count_for_each_flavour() {
        let flavours = [("mini_rt", 612.5), ("mini_rt-current", 600.0)];
        let flavours = flavours
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        let baseline = Baseline {
            rustc: "rustc 1.85.0".to_owned(),
            instructions: BTreeMap::from([("yield".to_owned(), flavours)]),
            ..counts([("echo", 3.0)])
        };
        let text = serde_json::to_string(&baseline).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), baseline);
        let names: Vec<String> = baseline.counts().into_keys().collect();
        assert_eq!(
            names,
            [
                "echo, system calls",
                "yield, mini_rt",
                "yield, mini_rt-current"
            ]
        );
    }
}
