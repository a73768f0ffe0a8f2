//! A demo model with 16-bit weights, made from the one with 8-bit weights.
//!
//! With 16-bit weights the rounding depends on how many tokens are computed at once; with 8-bit ones it hardly does.

const Q8_0: u32 = 8;
const F16: u32 = 1;
/// Weights that share a scale in Q8_0, and the bytes they take with it.
const BLOCK: (usize, usize) = (32, 34);
const ALIGNMENT: usize = 32;

/// Rewrites a GGUF file: every tensor in Q8_0 becomes one in F16.
pub(crate) fn halve(file: &[u8]) -> Vec<u8> {
    let mut reader = Reader { file, at: 8 };
    let (n_tensors, n_pairs) = (reader.u64(), reader.u64());
    for _ in 0..n_pairs {
        reader.string();
        let kind = reader.u32();
        reader.value(kind);
    }
    let mut head = file[..reader.at].to_vec();
    let tensors: Vec<Tensor> = (0..n_tensors).map(|_| reader.tensor()).collect();
    let data = &file[reader.at.next_multiple_of(ALIGNMENT)..];
    let mut halved: Vec<u8> = Vec::new();
    for tensor in tensors {
        head.extend_from_slice(&file[tensor.head]);
        let bytes = &data[tensor.offset..];
        let offset = halved.len() as u64;
        let kind = match tensor.kind {
            Q8_0 => {
                let blocks = tensor.n_weights / BLOCK.0;
                halved.extend(bytes[..blocks * BLOCK.1].chunks(BLOCK.1).flat_map(halve_block));
                F16
            }
            kind => {
                halved.extend_from_slice(&bytes[..tensor.n_weights * 4]);
                kind
            }
        };
        head.extend_from_slice(&kind.to_le_bytes());
        head.extend_from_slice(&offset.to_le_bytes());
        halved.resize(halved.len().next_multiple_of(ALIGNMENT), 0);
    }
    head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
    head.extend_from_slice(&halved);
    head
}

fn halve_block(block: &[u8]) -> Vec<u8> {
    let scale = to_f32(u16::from_le_bytes([block[0], block[1]]));
    block[2..].iter().flat_map(|&weight| to_f16(scale * f32::from(weight.cast_signed())).to_le_bytes()).collect()
}

/// Of a normal number or zero, which scales are.
fn to_f32(half: u16) -> f32 {
    let (sign, rest) = (u32::from(half & 0x8000) << 16, u32::from(half & 0x7fff));
    let bits = if rest == 0 { 0 } else { (rest << 13) + ((127 - 15) << 23) };
    f32::from_bits(sign | bits)
}

/// Cuts what does not fit. What is too small for a normal number becomes zero.
fn to_f16(x: f32) -> u16 {
    let (sign, rest) = ((x.to_bits() >> 16) & 0x8000, x.to_bits() & 0x7fff_ffff);
    let half = (rest >> 13).checked_sub((127 - 15) << 10).filter(|&half| half >= 1 << 10).unwrap_or(0);
    u16::try_from(sign | half).expect("weights are small")
}

struct Tensor {
    /// Where its name and shape stand.
    head: std::ops::Range<usize>,
    n_weights: usize,
    kind: u32,
    offset: usize,
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u32(&mut self) -> u32 {
        self.at += 4;
        u32::from_le_bytes(self.file[self.at - 4..self.at].try_into().expect("four bytes"))
    }

    fn u64(&mut self) -> u64 {
        self.at += 8;
        u64::from_le_bytes(self.file[self.at - 8..self.at].try_into().expect("eight bytes"))
    }

    fn size(&mut self) -> usize {
        usize::try_from(self.u64()).expect("the file fits into memory")
    }

    fn string(&mut self) {
        self.at += self.size();
    }

    /// Skips a value of a kind of the format.
    fn value(&mut self, kind: u32) {
        match kind {
            0 | 1 | 7 => self.at += 1,
            2 | 3 => self.at += 2,
            4..=6 => self.at += 4,
            8 => self.string(),
            9 => {
                let (kind, len) = (self.u32(), self.u64());
                for _ in 0..len {
                    self.value(kind);
                }
            }
            _ => self.at += 8,
        }
    }

    fn tensor(&mut self) -> Tensor {
        let start = self.at;
        self.string();
        let n_weights = (0..self.u32()).map(|_| self.size()).product();
        let head = start..self.at;
        Tensor { head, n_weights, kind: self.u32(), offset: self.size() }
    }
}
