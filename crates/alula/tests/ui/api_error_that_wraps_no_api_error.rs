use alula::ApiError;

#[derive(ApiError)]
enum PayError {
    #[api(transparent)]
    Other(std::io::Error),
    #[api(status = 429, retry_after = seconds)]
    TooMany { seconds: String },
}

fn main() {}
