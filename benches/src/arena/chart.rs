//! A chart for each group: what each workload costs each peer, compared with `mini_rt`.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::Results;
use super::workload::Group;

const WIDTH: u32 = 960;
/// Where bars begin and end, with the names of workloads to the left.
const LEFT: i32 = 270;
const RIGHT: i32 = 900;
const TOP: i32 = 70;
const BAR: i32 = 11;
const GAP: i32 = 14;
/// Costs beyond this are cut off, and written.
const MOST: f64 = 5.0;

/// A peer's name and its colour.
const COLOURS: [(&str, RGBColor); 8] = [
    ("mini_rt", RGBColor(0, 114, 178)),
    ("mini_rt-current", RGBColor(86, 180, 233)),
    ("tokio", RGBColor(213, 94, 0)),
    ("tokio-current", RGBColor(230, 159, 0)),
    ("smol", RGBColor(0, 158, 115)),
    ("nio", RGBColor(204, 121, 167)),
    ("raw", RGBColor(90, 90, 90)),
    ("threads", RGBColor(170, 170, 170)),
];

/// What a peer costs, in multiples of `mini_rt`: more is worse, also where the figure is a rate.
fn costs(results: &Results) -> Vec<(&'static str, f64)> {
    let cost = |ratio: f64| match results.unit.is_rate() {
        true => 1.0 / ratio,
        false => ratio,
    };
    let ratios = results.peers.iter();
    let known = ratios.filter_map(|peer| Some((peer.peer, cost(peer.to_mini_rt?))));
    known.collect()
}

/// Draws the chart of a group; nothing if there is nothing to compare.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(group: Group, results: &[&Results], directory: &Path) -> Result<(), Box<dyn Error>> {
    let rows: Vec<(&str, Vec<(&str, f64)>)> = results
        .iter()
        .map(|results| (results.name.as_str(), costs(results)))
        .filter(|(_, costs)| costs.len() > 1)
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let bars: usize = rows.iter().map(|(_, costs)| costs.len()).sum();
    let height = TOP + bars as i32 * BAR + rows.len() as i32 * GAP + GAP;
    let path = directory.join(format!("{group}.svg"));
    let area = SVGBackend::new(&path, (WIDTH, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;

    let text = |size: i32, h_pos: HPos| {
        let font = ("sans-serif", size).into_font();
        font.color(&BLACK).pos(Pos::new(h_pos, VPos::Center))
    };
    let title = format!("{group}: cost in multiples of mini_rt (shorter is better)");
    area.draw(&Text::new(title, (16, 20), text(17, HPos::Left)))?;
    let mut x = 16;
    let shown = |name: &str| {
        rows.iter()
            .any(|(_, costs)| costs.iter().any(|(peer, _)| *peer == name))
    };
    for (name, colour) in COLOURS.into_iter().filter(|(name, _)| shown(name)) {
        area.draw(&Rectangle::new([(x, 38), (x + 12, 50)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 17, 45), text(12, HPos::Left)))?;
        x += 32 + 8 * name.len() as i32;
    }

    let end = |cost: f64| LEFT + (f64::from(RIGHT - LEFT) * cost.min(MOST) / MOST) as i32;
    for unit in 0..=MOST as i32 {
        let x = end(unit.into());
        let shade = if unit == 1 {
            BLACK.mix(0.6)
        } else {
            BLACK.mix(0.15)
        };
        area.draw(&PathElement::new([(x, TOP - 8), (x, height - GAP)], shade))?;
        area.draw(&Text::new(
            unit.to_string(),
            (x, TOP - 14),
            text(11, HPos::Center),
        ))?;
    }
    let mut y = TOP;
    for (name, costs) in &rows {
        let middle = y + costs.len() as i32 * BAR / 2;
        area.draw(&Text::new(
            *name,
            (LEFT - 10, middle),
            text(13, HPos::Right),
        ))?;
        for (peer, cost) in costs {
            let colour = COLOURS.iter().find(|(name, _)| name == peer);
            let colour = colour.map_or(BLACK, |(_, colour)| *colour);
            let bar = [(LEFT, y), (end(*cost), y + BAR - 1)];
            area.draw(&Rectangle::new(bar, colour.filled()))?;
            let label = format!("{cost:.2}");
            let place = (end(*cost) + 4, y + BAR / 2);
            area.draw(&Text::new(label, place, text(10, HPos::Left)))?;
            y += BAR;
        }
        y += GAP;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::workload::{Figures, Unit, Workload};
    use crate::peer::Peer;

    fn results(unit: Unit) -> Results {
        let workload = Workload {
            group: Group::Tasks,
            name: "spawn".to_owned(),
            unit,
            peers: vec![Peer::MiniRt, Peer::Tokio],
            is_quick: true,
            turn: Box::new(|_, _| Ok(Figures::of(1.0))),
        };
        let turns = [(Peer::MiniRt, 10.0), (Peer::Tokio, 40.0)];
        let turns = turns.map(|(peer, value)| (peer, vec![Figures::of(value)]));
        Results::new(&workload, &turns)
    }

    #[test]
    fn a_higher_rate_costs_less() {
        let time = costs(&results(Unit::NanosPerOperation));
        assert_eq!(time, [("mini_rt", 1.0), ("tokio", 4.0)]);
        let rate = costs(&results(Unit::PerSecond));
        assert_eq!(rate, [("mini_rt", 1.0), ("tokio", 0.25)]);
    }

    #[test]
    fn every_peer_has_a_colour() {
        for peer in Peer::ALL {
            assert!(
                COLOURS.iter().any(|(name, _)| *name == peer.name()),
                "{peer}"
            );
        }
    }

    #[test]
    fn a_chart_names_the_workloads_and_the_peers() {
        let directory = std::env::temp_dir().join(format!("chart-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let results = results(Unit::NanosPerOperation);
        draw(Group::Tasks, &[&results], &directory).unwrap();
        let chart = std::fs::read_to_string(directory.join("tasks.svg")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        for text in ["spawn", "mini_rt", "tokio", "4.00"] {
            assert!(chart.contains(text), "{text}");
        }
    }
}
