use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// What the extraction of one document may take.
///
/// ```
/// use alula_rag::ExtractLimits;
///
/// let limits = ExtractLimits { document_bytes_max: 1 << 20, ..ExtractLimits::default() };
/// assert_eq!(limits.cpu_seconds_max, 30);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractLimits {
    /// How large a document may be. 64 MiB unless said otherwise.
    pub document_bytes_max: u64,
    /// How large its text may be, in UTF-8. 16 MiB unless said otherwise.
    pub text_bytes_max: u64,
    /// How large what is read of an archive may be when it is unpacked. 64 MiB unless said
    /// otherwise.
    pub unpacked_bytes_max: u64,
    /// How many files an archive may have. 5,000 unless said otherwise.
    pub entries_max: u64,
    /// How much memory it may take, beyond what the program has anyway; the document is part of
    /// it. Only Linux can enforce it. 256 MiB unless said otherwise; a PDF of 2,400 pages needs 190.
    pub memory_bytes_max: u64,
    /// How long it may compute. 30 seconds unless said otherwise; a PDF of 2,400 pages needs 13.
    pub cpu_seconds_max: u64,
    /// How long it may take in all. 90 seconds unless said otherwise.
    pub wall_seconds_max: u64,
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self {
            document_bytes_max: 64 * MIB,
            text_bytes_max: 16 * MIB,
            unpacked_bytes_max: 64 * MIB,
            entries_max: 5_000,
            memory_bytes_max: 256 * MIB,
            cpu_seconds_max: 30,
            wall_seconds_max: 90,
        }
    }
}
