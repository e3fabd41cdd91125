// Shared by every part. `given` are its constants; `element`, `props`, `server`, `trigger`, `watch` and `upload` come from gr.HTML.
const words = given.words;
const find = (selector, root = element) => root.querySelector(selector);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;

// Parts talk through the document, so that none needs to know where another is.
const tell = (name, detail) => document.dispatchEvent(new CustomEvent('flipbook:' + name, { detail }));
const hear = (name, act) =>
  document.addEventListener('flipbook:' + name, (event) => element.isConnected && act(event.detail));

// Text goes in as textContent only: prompts are other people's words.
function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function actionButton(clip, action) {
  let button;
  if (action === 'download') {
    button = make('a', 'fb-button');
    button.href = clip.video;
    button.download = clip.file_name;
  } else {
    button = make('button', 'fb-button');
    button.type = 'button';
    button.addEventListener('click', () => tell('act', { action, clip }));
  }
  button.append(make('span', 'fb-icon fb-icon-' + action), make('span', '', given.actions[action]));
  button.title = given.hints[action];
  return button;
}
