// Opens the document that the page names. A file of its own, so that the page needs no inline script.
const { document: url, redirect, settings } = document.currentScript.dataset;
const { parameters, oauth } = JSON.parse(settings);
const ui = SwaggerUIBundle({
  url,
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  oauth2RedirectUrl: new URL(redirect, location.href).href,
  ...parameters,
});
if (oauth) ui.initOAuth(oauth);
