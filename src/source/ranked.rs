//! Short lists that are kept in order.

/// Inserts an item behind those of its rank and of lower ones. Done as items come, it is a stable sort: std's is about
/// 4 kB of code for each type, and these lists have a few items.
pub fn insert_ranked<T, R: Ord>(list: &mut Vec<T>, item: T, rank: impl Fn(&T) -> R) {
    let at = list.partition_point(|other| rank(other) <= rank(&item));
    list.insert(at, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_ones_stay_in_the_order_in_which_they_came() {
        let mut list = Vec::new();
        for item in [(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')] {
            insert_ranked(&mut list, item, |(rank, _)| *rank);
        }
        assert_eq!(list, [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
    }
}
