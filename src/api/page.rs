//! The status page: files that are built in. They hold no data, and ask for it as everybody does.

use http::StatusCode;

use super::{
    answer,
    route::{Audience, Route},
};

/// The files, by the path that they are served at.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/assets/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/assets/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
];

pub(super) const ROUTES: &[Route] = &{ [file::<0>(), file::<1>(), file::<2>()] };

const fn file<const INDEX: usize>() -> Route {
    Route::get(FILES[INDEX].0, Audience::Page, |_, _| {
        let (_, content_type, text) = FILES[INDEX];
        Box::pin(async move { Ok(answer::whole(StatusCode::OK, content_type, text)) })
    })
}
