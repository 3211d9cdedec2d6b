// Opens the document that the page names. A file of its own, so that the page needs no inline script.
const { document: url } = document.currentScript.dataset;
Redoc.init(url, {}, document.getElementById("redoc"));
