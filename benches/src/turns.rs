//! Who runs when: the runtimes take turns within each round, so that a change of the machine's state
//! hits all of them.

/// The turns of `rounds` rounds among `contenders`: the round and the index of who runs. Each round
/// begins with another contender, so that nobody always follows the same one.
pub fn turns(rounds: usize, contenders: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rounds).flat_map(move |round| {
        (0..contenders).map(move |place| (round, (round + place) % contenders))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_runs_once_a_round_and_each_round_begins_with_another() {
        let all: Vec<_> = turns(3, 2).collect();
        assert_eq!(all, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
        assert_eq!(turns(2, 0).count(), 0);
    }
}
