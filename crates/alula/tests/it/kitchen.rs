//! An application with one of everything, for the tests of the document and of its viewer.

use std::collections::BTreeMap;

use alula::{
    ApiKeyLocation, Contact, Event, Example, KeyPlace, License, OAuth2, OAuth2Bearer, OAuth2Scheme,
    OpenIdConnect, OpenIdScheme, SecurityScopes, prelude::*,
};
use futures_util::stream;
use serde_json::{Value, json};

/// Which side of the counter.
#[derive(Serialize, Deserialize, JsonSchema, Validate, Default)]
#[serde(rename_all = "lowercase")]
enum Side {
    #[default]
    Left,
    Right,
}

/// What a dish is made of: an enum of the usual, external representation.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "snake_case")]
enum Ingredient {
    Water,
    Salt { grams: f32 },
    Named(String),
}

/// An enum with its tag inside.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Step {
    /// Wait for a while.
    Wait {
        #[schemars(range(max = 3600))]
        seconds: u32,
    },
    Heat {
        celsius: i16,
    },
}

/// An enum with its tag beside the content.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
enum Amount {
    Pieces(u8),
    Milliliters(f64),
}

/// An enum without a tag.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

/// A dish.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Dish {
    /// What the guests read.
    #[schemars(length(min = 1, max = 80))]
    name: String,
    /// In cents.
    #[schemars(range(min = 1))]
    price: u64,
    #[serde(default = "two")]
    portions: u8,
    note: Option<String>,
    #[schemars(email)]
    cook: Option<String>,
    ingredients: Vec<Ingredient>,
    #[serde(default)]
    steps: Vec<Step>,
    amount: Option<Amount>,
    stop: Option<Stop>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// What is served with it.
    #[serde(default)]
    sides: Vec<Self>,
    #[serde(default)]
    side: Side,
}

fn two() -> u8 {
    2
}

/// A page of a list.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(rename = "Page_{T}")]
struct Page<T> {
    items: Vec<T>,
    total: u64,
}

#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct Guest {
    id: i64,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Filter {
    /// How many to leave out.
    #[serde(default)]
    skip: u32,
    /// How many to list.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
    /// Only with this text in the name.
    #[schemars(length(min = 3))]
    text: Option<String>,
    #[serde(default)]
    tag: Vec<String>,
    #[serde(default)]
    side: Side,
    at_least: f64,
    #[deprecated]
    #[serde(default)]
    old: bool,
}

fn hundred() -> u32 {
    100
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Trace {
    /// The id of the trace.
    x_trace_id: String,
    x_hop: Option<u8>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Session {
    session: String,
    theme: Option<String>,
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Table {
    /// The room.
    room: String,
    #[schemars(range(min = 1))]
    table: u16,
}

/// The key of the kitchen, in a cookie.
struct KitchenKey;

impl ApiKeyLocation for KitchenKey {
    const PLACE: KeyPlace = KeyPlace::Cookie;
    const NAME: &'static str = "kitchen_key";
}

/// How the staff logs in.
struct Staff;

impl OAuth2Scheme for Staff {
    fn oauth2() -> OAuth2 {
        OAuth2::password("/token")
            .or(OAuth2::authorization_code(
                "https://id.example/authorize",
                "https://id.example/token",
            ))
            .refresh_url("/refresh")
            .scope("till:read", "Read the till.")
            .scope("till:write", "Change the till.")
            .name("StaffLogin")
            .description("For those who work here.")
    }
}

/// Who the tax office is.
struct TaxOffice;

impl OpenIdScheme for TaxOffice {
    const URL: &'static str = "/.well-known/openid-configuration";
}

/// Reads what the endpoint demands.
#[dependency(scopes = ["till:read"])]
async fn staff(
    token: Either<OAuth2Bearer<Staff>, OpenIdConnect<TaxOffice>>,
    scopes: SecurityScopes,
) -> String {
    format!("{token:?} {scopes}")
}

/// Change what is in the till.
#[put("/till", tag = "Till", scopes = ["till:write"])]
async fn till(_: Depends<staff>, _: Option<Basic>) {}

/// Needs a token and reads a header.
#[dependency]
async fn waiter(token: Bearer, Header(trace): Header<Trace>) -> Result<String> {
    if token.as_str().is_empty() {
        return Err(HttpError::forbidden("unknown waiter"));
    }
    Ok(trace.x_trace_id)
}

/// Needs a key beside what [`waiter`] needs.
#[dependency]
async fn cook(waiter: Depends<waiter>, key: ApiKey<KitchenKey>) -> String {
    format!("{} {}", *waiter, key.as_str())
}

/// List the dishes.
///
/// The list is *sorted* by name.
///
/// It has as many entries as you ask for.
#[get("/dishes", tag = "Dishes", response_description = "A page of dishes")]
async fn list_dishes(
    Query(_): Query<Filter>,
    Header(_): Header<Trace>,
    Cookie(_): Cookie<Session>,
) -> Json<Page<Dish>> {
    Json(Page { items: Vec::new(), total: 0 })
}

/// Add a dish.
#[post("/dishes", tag = "Dishes")]
async fn add_dish(_cook: Depends<cook>, Json(dish): Json<Dish>) -> Result<Status<201, Json<Dish>>> {
    Ok(Status(Json(dish)))
}

/// Forget a dish.
#[delete("/dishes/{id}", tag = "Dishes", deprecated)]
async fn remove_dish(Path(_): Path<uuid::Uuid>, _token: Option<Bearer>) {}

/// Where a guest sits.
#[get("/rooms/{room}/tables/{table}", tag = "Guests")]
async fn table(Path(table): Path<Table>) -> Json<u16> {
    Json(table.table)
}

#[get("/rooms/{room}/guests/{guest}", tag = "Guests")]
async fn guest(Path((_, id)): Path<(String, i64)>, _waiter: Depends<waiter>) -> Json<Page<Guest>> {
    Json(Page { items: vec![Guest { id }], total: 1 })
}

/// A file of the house.
#[get("/files/{*path}")]
async fn file(Path(path): Path<String>) -> Json<String> {
    Json(path)
}

/// Both cooks answer here.
#[put("/stove/{side}")]
async fn stove(Path(side): Path<Side>) -> Json<Side> {
    Json(side)
}

/// Order, and wait or watch.
#[post("/orders", tags = ["Orders", "Streams"])]
async fn order(
    Query(watch): Query<Watch>,
    Json(dishes): Json<Vec<Dish>>,
) -> Either<Json<Page<Dish>>, Sse<impl Stream<Item = Event<Step>>>> {
    if watch.watch {
        return Either::Right(Sse::new(stream::iter([Event::new(Step::Heat { celsius: 90 })])));
    }
    let total = dishes.len() as u64;
    Either::Left(Json(Page { items: dishes, total }))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Watch {
    #[serde(default)]
    watch: bool,
}

/// All orders of the day.
#[get("/orders/log", tag = "Streams")]
async fn order_log() -> JsonLines<impl Stream<Item = Guest>> {
    JsonLines::new(stream::iter([Guest { id: 1 }]))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Reservation {
    #[schemars(url)]
    callback_url: String,
}

/// Only in the description of what the kitchen sends.
#[derive(Serialize, Deserialize, JsonSchema, Validate)]
struct TableReady {
    table: u16,
}

async fn reserve(Json(reservation): Json<Reservation>) -> Json<usize> {
    Json(reservation.callback_url.len())
}

async fn table_ready(Json(_): Json<TableReady>) {}

async fn sold_out(Json(_): Json<Dish>) {}

/// What the page asks for where there is a scheme of OpenID Connect.
#[get("/.well-known/openid-configuration", hidden)]
async fn tax_office() -> Json<Value> {
    Json(json!({
        "authorization_endpoint": "/authorize",
        "token_endpoint": "/token",
        "grant_types_supported": ["authorization_code"],
        "scopes_supported": ["openid"],
    }))
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Booking {
    #[schemars(length(min = 1))]
    guest: String,
    #[serde(default = "two")]
    seats: u8,
}

/// Book a table, from a page.
#[post("/bookings", tag = "Guests")]
async fn book(Form(booking): Form<Booking>) -> Json<u8> {
    Json(booking.seats)
}

/// What a dish looks like.
#[derive(Deserialize, JsonSchema, Validate)]
struct Photos {
    /// From above.
    photo: UploadFile,
    cut: Option<UploadFile>,
    #[serde(default)]
    details: Vec<UploadFile>,
    side: Side,
}

#[put("/photos", tag = "Dishes")]
async fn photograph(Multipart(photos): Multipart<Photos>) -> Json<u64> {
    Json(photos.photo.size())
}

#[get("/health", hidden)]
async fn health() {}

/// The application.
pub(crate) fn app() -> App {
    let v1 = Router::new().prefix("/v1").routes(routes![
        list_dishes,
        add_dish,
        remove_dish,
        table,
        guest,
        file,
        order,
        order_log,
        book,
        photograph
    ]);
    let stoves = Router::new().prefix("/stoves").tag("Stoves").route(put("/{side}", stove));
    App::new("Kitchen <sink>", "1.2.3")
        .description("One of *everything*.")
        .describe_tag("Dishes", "What there is.")
        .describe_tag("Guests", "Who eats it.")
        .summary("A kitchen")
        .terms_of_service("https://kitchen.example/terms")
        .contact(Contact::new("The cook").email("cook@kitchen.example"))
        .license(License::spdx("MIT"))
        .server("/", "Here")
        .external_docs("https://kitchen.example/more", "The cookbook")
        .webhook("dish-sold-out", post("", sold_out).tag("Dishes").summary("A dish is sold out"))
        .route(
            post("/reservations", reserve)
                .tag("Guests")
                .example("two", Example::new(json!({"callback_url": "https://guest.example"})))
                .callback("ready", "{$request.body#/callback_url}", post("/ready", table_ready))
                .external_docs("https://kitchen.example/reservations", "How it works")
                .extension("x-patience-seconds", 900),
        )
        .include(v1.include(stoves))
        .routes(routes![stove, till, tax_office, health])
}
