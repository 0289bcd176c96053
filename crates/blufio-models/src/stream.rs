// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one loop that reads a streamed answer. A provider says how its bytes fall into pieces and what its pieces mean;
//! that an answer counts only when it is whole, and how it ends otherwise, is the same for all.

use blufio_core::model::{ModelDelta, ModelError, ModelErrorKind, ModelReply, Usage};

use crate::transport::{Transport, error};

/// Cuts the bytes of a stream into pieces, however they arrive.
pub trait Splitter: Default {
    /// An event, a line.
    type Piece;
    /// Why a stream cannot be read on.
    type Broken: std::fmt::Debug;
    /// Content type of such streams.
    const CONTENT_TYPE: &'static str;

    /// Takes bytes and appends complete pieces to `out`, also those before bytes that cannot be read.
    ///
    /// # Errors
    /// The bytes are not of such a stream.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Self::Piece>) -> Result<(), Self::Broken>;
}

/// Collects one answer from the pieces of its stream.
pub trait Collector<Piece> {
    /// Takes a piece; what people may see of it goes to `on_delta`. Nothing after the end changes the answer.
    ///
    /// # Errors
    /// There will be no answer, and why.
    fn take(&mut self, piece: &Piece, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError>;

    /// Whether the end of the answer was seen.
    fn is_finished(&self) -> bool;

    /// Tokens that an attempt which failed is charged for; `None` until the provider has said them all.
    fn usage(&self) -> Option<Usage>;

    /// The whole answer.
    ///
    /// # Errors
    /// The end of the answer was not seen, or what came is not whole.
    fn finish(self, request_id: Option<String>) -> Result<ModelReply, ModelError>;
}

impl Transport {
    /// Sends JSON and collects the streamed answer.
    pub(crate) async fn answer<S: Splitter>(
        &self,
        path: &str,
        body: String,
        collector: impl Collector<S::Piece>,
        on_delta: &mut (dyn FnMut(ModelDelta) + Send),
    ) -> Result<ModelReply, ModelError> {
        let attempt = self.attempt::<S>(path, body, collector, on_delta);
        match tokio::time::timeout(self.times.overall, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(error(ModelErrorKind::Incomplete, "the answer took too long")),
        }
    }

    async fn attempt<S: Splitter>(
        &self,
        path: &str,
        body: String,
        mut collector: impl Collector<S::Piece>,
        on_delta: &mut (dyn FnMut(ModelDelta) + Send),
    ) -> Result<ModelReply, ModelError> {
        let response = self.post(path, body).await?;
        let response = self.expect_stream(response, S::CONTENT_TYPE).await?;
        let request_id = self.request_id(&response);
        let broken = |usage: Option<Usage>, words: &str| ModelError {
            usage,
            request_id: request_id.clone(),
            ..error(ModelErrorKind::Incomplete, words)
        };
        let (mut splitter, mut pieces) = (S::default(), Vec::new());
        let mut stream = response.bytes_stream();
        while !collector.is_finished() {
            let usage = collector.usage();
            let bytes = self.next(&mut stream).await.map_err(|words| broken(usage, words))?;
            let Some(bytes) = bytes else { break };
            let readable = splitter.push(&bytes, &mut pieces);
            for piece in pieces.drain(..) {
                collector.take(&piece, on_delta).map_err(|failed| {
                    self.limiter.learn(&failed);
                    ModelError { request_id: request_id.clone(), ..failed }
                })?;
            }
            // What comes behind the end is nobody's business, whether it arrives with the end or later.
            if let (Err(e), false) = (readable, collector.is_finished()) {
                return Err(broken(collector.usage(), &format!("the stream cannot be read: {e:?}")));
            }
        }
        collector.finish(request_id)
    }
}
