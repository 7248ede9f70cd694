//! Letting threads at a value one after the other, in the order of what they work on.

use std::{
    mem::ManuallyDrop,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A value that turn 0 has first, then turn 1, and so on.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    state: Mutex<(u64, T)>,
    next: Condvar,
}

/// A turn. Whatever becomes of its holder, it passes: one that is dropped waits until it has come, so that
/// those before it keep theirs.
#[derive(Debug)]
pub(crate) struct Turn<'a, T> {
    of: &'a InOrder<T>,
    number: u64,
}

impl<T> InOrder<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { state: Mutex::new((0, value)), next: Condvar::new() }
    }

    /// The turn of a number. Each from 0 on must be had once, or later ones never come.
    pub(crate) fn turn(&self, number: u64) -> Turn<'_, T> {
        Turn { of: self, number }
    }
}

impl<T> Turn<'_, T> {
    /// Waits for the turn, and uses it.
    pub(crate) fn take<R>(self, work: impl FnOnce(&mut T) -> R) -> R {
        let turn = ManuallyDrop::new(self);
        let mut state = turn.wait();
        let done = work(&mut state.1);
        turn.pass(state);
        done
    }

    fn wait(&self) -> MutexGuard<'_, (u64, T)> {
        let state = self.of.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.of.next.wait_while(state, |state| state.0 != self.number);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, mut state: MutexGuard<'_, (u64, T)>) {
        state.0 += 1;
        drop(state);
        self.of.next.notify_all();
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.pass(self.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn turns_come_in_their_order_and_pass_when_they_are_dropped() {
        let numbers = Arc::new(InOrder::new(Vec::new()));
        let threads = (0..40).rev().map(|number| {
            let numbers = numbers.clone();
            thread::spawn(move || {
                let turn = numbers.turn(number);
                match number % 4 {
                    1 => {}
                    3 => panic!("the turn passes, too"),
                    _ => turn.take(|all| all.push(number)),
                }
            })
        });
        let panics = threads.collect::<Vec<_>>().into_iter().filter_map(|thread| thread.join().err());
        assert_eq!(panics.count(), 10);
        let expected: Vec<_> = (0..40).step_by(2).collect();
        assert_eq!(numbers.turn(40).take(|all| all.clone()), expected);
    }
}
