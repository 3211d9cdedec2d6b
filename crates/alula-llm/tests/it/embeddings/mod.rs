//! Embeddings: what each provider is sent, and how requests are divided among calls.

mod batches;
mod wire;
