use alula::ApiError;

#[derive(ApiError)]
enum PayError {
    Unsaid,
    #[api(status = 302)]
    Elsewhere,
    #[api(status = 404, detail = "there is no {account}")]
    NoAccount { id: u32 },
    #[api(status = 429, retry_after = wait)]
    TooMany { seconds: u64 },
    #[api(stauts = 402)]
    Declined,
    #[api(status = 500, detail = "{source}")]
    Leaks { source: std::io::Error },
    #[api(transparent)]
    Other(u8, u8),
}

fn main() {}
