// Shows the kept clips, newest first, posters only until one is played; owns what the visitor can do with a clip.
const grid = find('.fb-grid'), note = find('.fb-gallery-note'), older = find('.fb-older');
const cards = new Map(); // clip id -> its card
let oldest = null; // when the last shown clip was made

async function page(before) {
  const reply = await server.list_clips({ before });
  if (reply && reply.clips) return reply;
  note.textContent = (reply && reply.error) || words.offline;
  return null;
}

async function refresh() {
  const reply = await page(null);
  if (!reply) return void setTimeout(refresh, 4000);
  const fresh = reply.clips.filter((clip) => !cards.has(clip.id)).map(card);
  grid.prepend(...fresh);
  if (oldest === null) turned(reply);
  tidy();
}

async function showOlder() {
  older.disabled = true;
  const reply = await page(oldest);
  older.disabled = false;
  if (!reply) return;
  grid.append(...reply.clips.filter((clip) => !cards.has(clip.id)).map(card));
  turned(reply);
}

function turned({ clips, more }) {
  if (clips.length) oldest = clips[clips.length - 1].created;
  older.hidden = !more;
}

function tidy() {
  note.textContent = cards.size ? '' : words.empty;
}

function card(clip) {
  const node = make('li', 'fb-card');
  node.dataset.clip = clip.id;
  const facts = make('p', 'fb-facts', clip.facts);
  facts.title = new Date(clip.created * 1000).toLocaleString();
  node.append(media(clip), make('p', 'fb-prompt', clip.prompt || words.untitled), facts, actions(clip));
  cards.set(clip.id, node);
  return node;
}

function media(clip) {
  const box = make('div', 'fb-media');
  box.style.setProperty('--poster', `url("${clip.poster}")`);
  const button = make('button', 'fb-play');
  button.type = 'button';
  button.setAttribute('aria-label', `${words.play}: ${clip.prompt || words.untitled}`);
  const poster = make('img');
  Object.assign(poster, { loading: 'lazy', alt: '', src: clip.poster, width: clip.width, height: clip.height });
  button.append(poster, make('span', 'fb-play-mark'), make('span', 'fb-length', clip.length));
  box.append(button);
  button.addEventListener('click', () => play(box, clip));
  if (matchMedia('(hover: hover)').matches && !isCalm) peek(box, button, clip);
  return box;
}

function film(clip) {
  const video = make('video');
  Object.assign(video, { src: clip.video, poster: clip.poster, playsInline: true });
  return video;
}

// A pointer that rests on a poster sees the clip move, without sound.
function peek(box, button, clip) {
  let timer = 0;
  box.addEventListener('pointerenter', () => {
    timer = setTimeout(() => {
      if (find('video', box)) return;
      const video = film(clip);
      Object.assign(video, { muted: true, loop: true, className: 'fb-peek', tabIndex: -1 });
      video.setAttribute('aria-hidden', 'true');
      button.append(video);
      video.play().catch(() => video.remove());
    }, 200);
  });
  box.addEventListener('pointerleave', () => {
    clearTimeout(timer);
    const video = find('.fb-peek', box);
    if (video) video.remove();
  });
}

function play(box, clip) {
  const video = film(clip);
  video.controls = true;
  video.setAttribute('aria-label', clip.prompt || words.untitled);
  box.replaceChildren(video);
  video.play().catch(() => {});
  video.focus();
}

function actions(clip) {
  const row = make('div', 'fb-actions');
  const more = make('details', 'fb-more');
  const list = make('div', 'fb-menu');
  list.append(...['same', 'frame', 'reuse', 'download', 'delete'].map((action) => actionButton(clip, action)));
  list.addEventListener('click', () => (more.open = false));
  more.append(make('summary', 'fb-button', words.more), list);
  more.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    more.open = false;
    find('summary', more).focus();
  });
  row.append(actionButton(clip, 'new'), actionButton(clip, 'extend'), more);
  return row;
}

document.addEventListener('click', (event) => {
  for (const open of element.querySelectorAll('.fb-more[open]')) if (!open.contains(event.target)) open.open = false;
});

// One answer of one dialog: resolves to whether it was yes.
function answer(dialog) {
  return new Promise((done) => {
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => done(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
  });
}

async function askDelete(clip) {
  const dialog = find('.fb-ask-delete');
  find('.fb-dialog-clip', dialog).textContent = clip.prompt || words.untitled;
  if (!(await answer(dialog))) return;
  const reply = await server.remove_clip({ clip: clip.id });
  if (!reply || reply.error) return void (note.textContent = (reply && reply.error) || words.offline);
  const node = cards.get(clip.id);
  cards.delete(clip.id);
  if (node) node.remove();
  tell('deleted', clip.id);
  tidy();
  note.textContent = words.deleted;
  find('h2').focus();
}

async function askExtend(clip) {
  const dialog = find('.fb-ask-extend');
  const text = find('textarea', dialog);
  text.value = clip.prompt;
  if (!(await answer(dialog))) return;
  trigger('again', { action: 'extend', clip: clip.id, seconds: Number(seconds.value), prompt: text.value, n: ++asked });
}

const seconds = find('.fb-ask-extend input');
const shownSeconds = () => (find('.fb-ask-extend output').textContent = seconds.value);
seconds.addEventListener('input', shownSeconds);
shownSeconds();

let asked = 0;
hear('act', ({ action, clip }) => {
  if (action === 'delete') return askDelete(clip);
  if (action === 'extend') return askExtend(clip);
  const event = { action, clip: clip.id, n: ++asked };
  if (action === 'same' || action === 'new') trigger('again', event);
  else if (action === 'frame') trigger('frame', event);
  else if (action === 'reuse') trigger('reuse', event);
});
hear('made', refresh);
older.addEventListener('click', showOlder);
document.addEventListener('visibilitychange', () => !document.hidden && element.isConnected && refresh());
refresh();
