use serde_json::json;

use super::*;

#[track_caller]
fn check_request(body: &Value) -> EmbedRequest {
    let request = embed_request_from_json(body.clone()).unwrap();
    assert_eq!(&embed_request_to_json(&request).unwrap(), body);
    request
}

#[test]
fn requests_lose_nothing() {
    for input in [
        json!("a"),
        json!(["a"]),
        json!(["a", "b"]),
        json!([1, 2]),
        json!([[1, 2], [3]]),
        json!([]),
        json!([[1.5]]),
        json!([{"content": [{"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}], "new": 1}]),
        json!([{"image": "data"}, null]),
    ] {
        check_request(&json!({"model": "m", "input": input}));
    }
    let body = json!({"model": "m", "input": "a", "dimensions": 8, "encoding_format": "base64",
        "user": "u", "input_type": "query", "truncate": null});
    let request = check_request(&body);
    assert_eq!((request.dimensions, request.encoding), (Some(8), Some(Encoding::Base64)));
    check_request(&json!({"model": "m", "input": "a", "encoding_format": "int8"}));
    for bad in [json!({"input": "a"}), json!({"model": "m"}), json!(1)] {
        let error = embed_request_from_json(bad).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }
}

#[test]
fn answers_lose_nothing_in_both_forms() {
    for encoding in [Encoding::Float, Encoding::Base64] {
        let vector = match encoding {
            Encoding::Float => json!([0.5, -0.25]),
            Encoding::Base64 => json!("AAAAPwAAgL4="),
        };
        let body = json!({"object": "list", "model": "m", "id": "1", "created": 3,
            "data": [{"object": "embedding", "index": 0, "embedding": vector, "new": true}],
            "usage": {"prompt_tokens": 2, "total_tokens": 2, "cost": 0.1}});
        let response = embed_response_from_slice(body.to_string().as_bytes()).unwrap();
        assert_eq!(response.vectors.get(0), Some(&[0.5, -0.25][..]));
        assert_eq!(response.usage.as_ref().unwrap().total(), 2);
        assert_eq!(embed_response_to_json(&response, encoding).unwrap(), body);
    }
}

#[test]
fn what_a_server_leaves_out_is_not_added() {
    let data = json!([{"object": "embedding", "index": 0, "embedding": [0.5]}]);
    for (usage, input) in [
        (json!({"total_tokens": 3}), Some(3)),
        (json!({"prompt_tokens": 0, "total_tokens": 0}), Some(0)),
        (json!({"prompt_tokens": 3}), Some(3)),
        (Value::Null, None),
    ] {
        let body = json!({"data": data, "usage": usage, "model": null, "id": null});
        let response = embed_response_from_slice(body.to_string().as_bytes()).unwrap();
        assert_eq!(response.usage.as_ref().map(|usage| usage.input), input);
        assert_eq!(embed_response_to_json(&response, Encoding::Float).unwrap(), body);
    }
}

#[test]
fn vectors_are_put_in_order() {
    let read = |indexes: [u64; 2]| {
        let item = |index: u64| json!({"index": index, "embedding": [index + 1]});
        let body = json!({"data": indexes.map(item)});
        embed_response_from_slice(body.to_string().as_bytes())
    };
    assert_eq!(read([0, 1]).unwrap().vectors.as_slice(), [1.0, 2.0]);
    assert_eq!(read([1, 0]).unwrap().vectors.as_slice(), [1.0, 2.0]);
    for indexes in [[0, 0], [1, 2]] {
        assert_eq!(read(indexes).unwrap_err().kind(), &ErrorKind::Decode);
    }
}

#[test]
fn an_answer_of_another_protocol_says_what_it_is() {
    let mut response = EmbedResponse { model: "m".to_owned(), ..EmbedResponse::default() };
    response.origin = Some(EmbedProtocol::Cohere);
    response.vectors.push(&[1.0]).unwrap();
    response.extra = object([("meta", 1.into())]);
    response.usage = Some(Usage { input: 3, ..Usage::default() });
    let written = embed_response_to_json(&response, Encoding::Float).unwrap();
    let expected = json!({"object": "list", "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    assert_eq!(written, expected);
}
