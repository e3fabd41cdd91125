// Shared by every part. `given` are its constants; `element`, `props`, `server`, `trigger`, `watch` and `upload` come from gr.HTML.
const words = given.words;
const find = (selector, root = element) => root.querySelector(selector);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;

// Drawn here, since browsers offer their own such function on encrypted pages only.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A secret that stands for this browser, or for this page load where a browser keeps nothing.
function visitor() {
  const KEY = 'flipbook.visitor';
  try {
    const kept = localStorage.getItem(KEY);
    if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  } catch {
    // Storage is blocked.
  }
  window.flipbookVisitor ||= newId();
  try {
    localStorage.setItem(KEY, window.flipbookVisitor);
  } catch {
    window.flipbookForgets = true; // the next page load is another visitor
  }
  return window.flipbookVisitor;
}

// Every question to the server says who asks.
const ask = (name, data) => server[name]({ ...data, visitor: visitor() });

// Parts talk through the document, so that none needs to know where another is.
const tell = (name, detail) => document.dispatchEvent(new CustomEvent('flipbook:' + name, { detail }));
const hear = (name, act) =>
  document.addEventListener('flipbook:' + name, (event) => element.isConnected && act(event.detail));

// What one part of a form says to its others, kept for those that come to life later: {model, ratio, fit}.
const forms = (window.flipbookForms ||= {});
const shared = () => forms[given.form] || {};
function share(news) {
  const now = shared();
  if (Object.keys(news).every((key) => now[key] === news[key])) return;
  forms[given.form] = { ...now, ...news };
  tell('form', given.form);
}
const hearForm = (act) => hear('form', (form) => form === given.form && act());

// Asks the server about what the form's widgets tell of, once they rest for so long; only the last answer is drawn.
function watchForm(what, restMs, question, draw) {
  const key = `${what}-${given.form}`;
  let asked = 0;
  const look = async () => {
    const told = window.flipbookTold?.[key], me = ++asked;
    if (!told) return;
    await sleep(restMs);
    const reply = me === asked && (await ask(question, told));
    if (me === asked && reply && !reply.error) draw(reply);
  };
  hear('told-' + key, look);
  look();
}

// Text goes in as textContent only: prompts are other people's words.
function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A line of facts breaks between them, never within one.
function drawFacts(node, text) {
  const facts = text.split(' · ').map((fact) => make('span', 'fb-fact', fact));
  node.replaceChildren(...facts.flatMap((fact, place) => (place ? [' · ', fact] : [fact])));
  return node;
}

// How much longer a clip's own model can make it, or why it can't.
const extensionOf = (clip) => given.extensions[clip.model] || { cannot: given.hints.noModel };

// Whether films can be sent on from here; a computer has its folder of downloads for that.
const canSend = matchMedia('(pointer: coarse)').matches
  && Boolean(navigator.canShare?.({ files: [new File([], 'clip.mp4', { type: 'video/mp4' })] }));

// The film that lies with a clip's buttons, and the time at which it was halted; null for its end and where none was.
const filmBy = (button) => button.closest('.fb-card, .fb-stage')?.querySelector('video:not(.fb-peek)');
const momentOf = (film) => (film && film.paused && !film.ended && film.currentTime > 0 ? film.currentTime : null);

function actionButton(clip, action) {
  let button;
  const cannot = action === 'extend' ? extensionOf(clip).cannot : '';
  if (action === 'download') {
    button = make('a', 'fb-button');
    button.href = clip.video;
    button.download = clip.file_name;
  } else {
    button = make('button', 'fb-button');
    button.type = 'button';
    button.disabled = Boolean(cannot);
    const place = () => button.getBoundingClientRect().top;
    button.addEventListener('click', () => tell('act', { action, clip, at: momentOf(filmBy(button)), y: place() }));
  }
  const label = make('span', '', given.actions[action]);
  if (action === 'frame') Object.assign(label.dataset, { last: label.textContent, now: given.actions.frameNow });
  button.append(make('span', 'fb-icon fb-icon-' + action), label);
  button.title = cannot || given.hints[action];
  return button;
}
