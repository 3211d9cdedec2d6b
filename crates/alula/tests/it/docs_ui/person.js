// What a person does on the page.
const find = (selector, text) => [...document.querySelectorAll(selector)]
  .find(element => !text || element.textContent.trim() === text);
const until = async (what) => {
  for (let tries = 0; tries < 400; tries++) {
    const found = what();
    if (found) return found;
    await new Promise(done => setTimeout(done, 25));
  }
  throw new Error(`never: ${what}`);
};
const click = async (selector, text) => (await until(() => find(selector, text))).click();
const type = async (selector, text) => {
  const input = await until(() => find(selector));
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
const tryIt = async () => {
  await click(".modal-ux .close-modal");
  await click("#operations-default-me .opblock-summary-control");
  await click("button", "Try it out");
  await click("button", "Execute");
  return (await until(() => find(".live-responses-table .response .microlight"))).textContent;
};
