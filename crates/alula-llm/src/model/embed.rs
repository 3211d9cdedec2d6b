//! Requests for vectors, and the answers to them.

use std::fmt;

use serde_json::Value;

use super::{Extra, Media, Part, Usage, Vectors};
use crate::{
    Result,
    providers::{cohere, gemini, openai},
};

/// What to turn into vectors.
///
/// ```
/// use alula_llm::{EmbedRequest, model::Purpose};
///
/// let request = EmbedRequest::new("text-embedding-3-small")
///     .text("What is an alula?")
///     .text("The alula is a small feather.")
///     .purpose(Purpose::Document)
///     .dimensions(256);
/// assert_eq!(request.inputs.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbedRequest {
    /// The model, perhaps as `provider/model`; empty for the default one.
    pub model: String,
    /// What to turn into vectors, each into one.
    pub inputs: Vec<EmbedInput>,
    /// How many numbers a vector shall have, where the model can vary that.
    pub dimensions: Option<u64>,
    /// What the vectors are for. Models that know none give the same for all.
    pub purpose: Option<Purpose>,
    /// How the vectors travel. `None` is what is fastest with the provider.
    pub encoding: Option<Encoding>,
    /// The end user, for the provider's abuse checks.
    pub user: Option<String>,
    /// Whether the one input was written without a list around it.
    pub single: bool,
    /// Whose wire format the extra fields follow; `None` for any.
    pub origin: Option<EmbedProtocol>,
    /// Other fields.
    pub extra: Extra,
}

/// One thing to turn into a vector.
///
/// ```
/// use alula_llm::{EmbedRequest, model::{EmbedContent, EmbedInput, EmbedProtocol}};
///
/// // Gemini takes a title beside each document.
/// let mut input = EmbedInput::from(EmbedContent::Text("The alula is a feather.".to_owned()));
/// input.extra.insert("title".to_owned(), "Wings".into());
/// let request = EmbedRequest::new("gemini-embedding-001").input(input);
/// let body = EmbedProtocol::Gemini.request_to_json(&request)?;
/// assert_eq!(body["requests"][0]["title"], "Wings");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedInput {
    /// The thing itself.
    pub content: EmbedContent,
    /// Other fields.
    pub extra: Extra,
}

/// What is turned into a vector.
///
/// ```
/// use alula_llm::{EmbedRequest, model::{EmbedContent, EmbedProtocol}};
///
/// let tokens = EmbedContent::Tokens(vec![32, 9907, 261]);
/// let request = EmbedRequest::new("text-embedding-3-small").input(tokens);
/// assert!(EmbedProtocol::OpenAi.request_to_json(&request).is_ok());
/// assert!(EmbedProtocol::Cohere.request_to_json(&request).is_err()); // it takes no tokens
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EmbedContent {
    /// A text.
    Text(String),
    /// A text as the numbers of its tokens, which OpenAI and few others take.
    Tokens(Vec<u32>),
    /// A text and images that belong together, or an image alone.
    Parts(Vec<Part>),
    /// Something else, as the provider documents it.
    Other(Value),
}

/// What vectors are for.
///
/// ```
/// use alula_llm::{EmbedRequest, model::{EmbedProtocol, Purpose}};
///
/// let query = EmbedRequest::new("embed-v4.0").text("small feather").purpose(Purpose::Query);
/// let body = EmbedProtocol::Cohere.request_to_json(&query)?;
/// assert_eq!(body["input_type"], "search_query");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// To search with.
    Query,
    /// To be found.
    Document,
    /// To tell how much two texts mean the same.
    Similarity,
    /// To sort texts into classes that are known.
    Classification,
    /// To find the classes.
    Clustering,
    /// Another one, in the provider's words.
    Other(String),
}

/// How vectors travel.
///
/// ```
/// use alula_llm::{EmbedRequest, model::{EmbedProtocol, Encoding}};
///
/// // For a server that does not know base64.
/// let mut request = EmbedRequest::new("nomic-embed-text").text("What is an alula?");
/// request.encoding = Some(Encoding::Float);
/// let body = EmbedProtocol::OpenAi.request_to_json(&request)?;
/// assert_eq!(body["encoding_format"], "float");
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As JSON numbers.
    Float,
    /// As base64 of their bytes, four for each number: a third of the size, and nothing to parse.
    Base64,
}

/// The vectors of an [`EmbedRequest`].
///
/// ```
/// use alula_llm::{Demo, EmbedRequest, Llm};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alula_llm::Result<()> {
/// let llm = Llm::builder().provider(Demo::new()).build()?;
/// let texts = ["a small feather", "a small feather", "the capital of a country"];
/// let answer = llm.embed(EmbedRequest::new("demo").texts(texts)).await?;
/// let vectors: Vec<&[f32]> = answer.vectors.iter().collect();
/// assert_eq!(vectors[0], vectors[1]);
/// assert_ne!(vectors[0], vectors[2]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbedResponse {
    /// The provider's id of the answer, if it gives one.
    pub id: Option<String>,
    /// The model that answered; empty if the provider does not say.
    pub model: String,
    /// A vector for each input, in their order.
    pub vectors: Vectors,
    /// What it cost in tokens.
    pub usage: Option<Usage>,
    /// How the vectors came.
    pub encoding: Option<Encoding>,
    /// Whether the one vector came without a list around it.
    pub single: bool,
    /// Other fields beside each vector; empty if no vector has any.
    pub beside: Vec<Extra>,
    /// Whose wire format the extra fields follow; `None` for any.
    pub origin: Option<EmbedProtocol>,
    /// Other fields.
    pub extra: Extra,
}

/// A wire format of embeddings, named after the API that made it.
///
/// Reading and writing loses nothing but what a number of a vector has beyond an `f32`.
///
/// ```
/// use alula_llm::model::EmbedProtocol;
/// use serde_json::json;
///
/// let body = json!({"model": "embed-v4.0", "input": ["What is an alula?"]});
/// let request = EmbedProtocol::OpenAi.request_from_json(body)?;
/// let body = EmbedProtocol::Cohere.request_to_json(&request)?;
/// assert_eq!(body["texts"], json!(["What is an alula?"]));
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmbedProtocol {
    /// OpenAI's `/v1/embeddings`, and everything compatible with it.
    OpenAi,
    /// Gemini's `batchEmbedContents` and `embedContent`.
    Gemini,
    /// Vertex AI's `predict`.
    Vertex,
    /// Cohere's `/v2/embed`.
    Cohere,
}

impl EmbedRequest {
    /// A request to this model, without inputs yet.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.input(EmbedContent::Text(text.into()))
    }

    /// Adds texts.
    #[must_use]
    pub fn texts<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        let inputs = texts.into_iter().map(|text| EmbedContent::Text(text.into()).into());
        self.inputs.extend(inputs);
        self
    }

    /// Adds an image, for models that see.
    #[must_use]
    pub fn image(self, image: Media) -> Self {
        self.input(EmbedContent::Parts(vec![Part::Image(image)]))
    }

    /// Adds something to turn into a vector.
    #[must_use]
    pub fn input(mut self, input: impl Into<EmbedInput>) -> Self {
        self.inputs.push(input.into());
        self
    }

    /// Sets how many numbers a vector shall have.
    #[must_use]
    pub fn dimensions(mut self, dimensions: u64) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Sets what the vectors are for.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// Adds a field that the model has no name for.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }
}

impl From<EmbedContent> for EmbedInput {
    fn from(content: EmbedContent) -> Self {
        Self { content, extra: Extra::new() }
    }
}

impl EmbedProtocol {
    /// Reads a request that is written in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the body is no such
    /// request; the message says where.
    pub fn request_from_json(self, body: Value) -> Result<EmbedRequest> {
        match self {
            Self::OpenAi => openai::embed_request_from_json(body),
            Self::Gemini => gemini::embed_request_from_json(body),
            Self::Vertex => gemini::predict_request_from_json(body),
            Self::Cohere => cohere::embed_request_from_json(body),
        }
    }

    /// Writes a request in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when the format cannot say
    /// what the request asks for.
    pub fn request_to_json(self, request: &EmbedRequest) -> Result<Value> {
        match self {
            Self::OpenAi => openai::embed_request_to_json(request),
            Self::Gemini => gemini::embed_request_to_json(request),
            Self::Vertex => gemini::predict_request_to_json(request),
            Self::Cohere => cohere::embed_request_to_json(request),
        }
    }

    /// Reads an answer that is written in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the body is no such answer.
    pub fn response_from_slice(self, body: &[u8]) -> Result<EmbedResponse> {
        match self {
            Self::OpenAi => openai::embed_response_from_slice(body),
            Self::Gemini => gemini::embed_response_from_slice(body),
            Self::Vertex => gemini::predict_response_from_slice(body),
            Self::Cohere => cohere::embed_response_from_slice(body),
        }
    }

    /// Writes an answer in this format.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when a number is not finite.
    pub fn response_to_vec(self, response: &EmbedResponse) -> Result<Vec<u8>> {
        match self {
            Self::OpenAi => openai::embed_response_to_vec(
                response,
                response.encoding.unwrap_or(Encoding::Float),
            ),
            Self::Gemini => gemini::embed_response_to_vec(response),
            Self::Vertex => gemini::predict_response_to_vec(response),
            Self::Cohere => cohere::embed_response_to_vec(response),
        }
    }

    /// Whether fields of `origin` may be sent in this format; those written by hand always may.
    pub(crate) fn accepts(self, origin: Option<Self>) -> bool {
        origin.is_none_or(|origin| origin == self)
    }
}

impl fmt::Display for EmbedProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAi => "OpenAI embeddings",
            Self::Gemini => "Gemini embeddings",
            Self::Vertex => "Vertex AI embeddings",
            Self::Cohere => "Cohere embeddings",
        })
    }
}
