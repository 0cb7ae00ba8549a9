//! The one reader of bytes for fixed layouts. A shortfall says which layer ran short, where and by how much.

use crate::model::Defect;

/// Reads big-endian fields off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    layer: &'static str,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, whose shortfalls are told of `layer`.
    pub const fn new(layer: &'static str, bytes: &'a [u8]) -> Self {
        Self { layer, rest: bytes, offset: 0 }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have been read.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Takes exactly `need` bytes.
    ///
    /// # Errors
    /// Says how many were needed and how many there are.
    pub fn take(&mut self, need: usize) -> Result<&'a [u8], Defect> {
        let Some((head, rest)) = self.rest.split_at_checked(need) else {
            let have = self.rest.len();
            return Err(Defect::new(self.layer, self.offset, format!("needs {need} bytes, has {have}")));
        };
        self.rest = rest;
        self.offset += need;
        Ok(head)
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Defect::new(self.layer, self.offset, "short"))
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u8(&mut self) -> Result<u8, Defect> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes a 16-bit number, network byte order.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u16(&mut self) -> Result<u16, Defect> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a 32-bit number, network byte order.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u32(&mut self) -> Result<u32, Defect> {
        self.array().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_says_where() {
        let mut reader = Reader::new("DNS", &[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        let defect = reader.u32().unwrap_err();
        assert_eq!((defect.layer, defect.offset, defect.what.as_ref()), ("DNS", 2, "needs 4 bytes, has 1"));
        assert_eq!(reader.rest(), [3], "a failed read takes nothing");
    }
}
