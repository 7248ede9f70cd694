//! Random bits by script, for tests that say what each draw leads to.

use std::convert::Infallible;

/// Panics when it has no word left, and when it is dropped with some left.
pub(crate) struct Script(std::vec::IntoIter<u64>);

impl Script {
    pub(crate) fn new(words: impl Into<Vec<u64>>) -> Self {
        Self(words.into().into_iter())
    }
}

impl rand::TryRng for Script {
    type Error = Infallible;

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next().expect("the script foresaw this draw"))
    }

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("nothing here draws 32 bits")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("nothing here draws bytes")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.as_slice(), [0; 0], "draws that did not happen");
        }
    }
}
