-- One row for each call of a model.
CREATE TABLE usage (
    -- A UUID of version 7 that was made at `at`: ordering by it is ordering by time.
    id TEXT COLLATE "C" PRIMARY KEY,
    -- When the call ended.
    at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    -- NULL: the caller needed no key.
    key_id TEXT,
    operation TEXT NOT NULL,
    streamed BIGINT NOT NULL,
    -- The model as the caller named it.
    asked TEXT NOT NULL,
    -- Who answered, or was asked last. NULL: nobody was.
    provider TEXT,
    model TEXT,
    -- The model in the words of the answer.
    answered_by TEXT,
    service_tier TEXT,
    attempts BIGINT NOT NULL,
    -- Whether the answer was kept from an earlier call.
    cached BIGINT NOT NULL,
    -- NULL: the provider did not say.
    input_tokens BIGINT,
    output_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    audio_input_tokens BIGINT,
    audio_output_tokens BIGINT,
    -- In millionths of a micro-dollar, so that nothing is rounded. NULL: nobody knows.
    cost_picos BIGINT,
    -- To the first content of a stream.
    first_token_ms BIGINT,
    total_ms BIGINT NOT NULL,
    -- `answered`, `failed` or `abandoned`.
    status TEXT NOT NULL,
    -- The kind of failure.
    error TEXT,
    -- What the client got. NULL: it left before.
    http_status BIGINT
);
