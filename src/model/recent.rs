//! A map that remembers what was used lately and forgets the rest.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Remembers at least the `limit` keys used last, at most twice as many.
///
/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. What
/// is used moves to the young one. Both keep their room, which a `limit` of [`full`] fills.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V, foldhash::fast::RandomState>,
    old: HashMap<K, V, foldhash::fast::RandomState>,
    limit: usize,
    forgotten: u64,
}

/// The largest number of keys up to `most` that fills the room of a hash table: seven eighths of a power of two.
pub const fn full(most: usize) -> usize {
    let room = 1 << (usize::BITS - 1 - (if most < 8 { 8 } else { most }).leading_zeros());
    room / 8 * 7
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Remembers at least `limit` keys.
    pub fn new(limit: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), limit: limit.max(1), forgotten: 0 }
    }

    /// How many keys were forgotten.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers `value` for `key`; returns what it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let older = if self.old.is_empty() { None } else { self.old.remove(&key) };
        if self.young.len() >= self.limit && !self.young.contains_key(&key) {
            self.forgotten += self.old.len() as u64;
            self.old.clear();
            std::mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(key, value).or(older)
    }

    /// The value of `key`, which counts as used.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if !self.old.is_empty()
            && !self.young.contains_key(key)
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// The value of `key`, which does not count as used.
    pub fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Forgets `key` and returns its value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// All that is remembered, in no order.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        let (young, old) = (std::mem::take(&mut self.young), std::mem::take(&mut self.old));
        young.into_iter().chain(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(2);
        recent.insert(1, 'a');
        recent.insert(2, 'b');
        recent.insert(3, 'c');
        assert_eq!(recent.get_mut(&1), Some(&mut 'a'), "moves to the young generation");
        recent.insert(4, 'd');
        assert_eq!((recent.peek(&1), recent.peek(&2)), (Some(&'a'), None));
        assert_eq!(recent.forgotten(), 1);
        assert_eq!(recent.insert(1, 'e'), Some('a'));
        assert_eq!(recent.remove(&1), Some('e'));
        for key in 0..1000 {
            recent.insert(key, 'z');
        }
        assert!(recent.len() <= 4);
    }
}
