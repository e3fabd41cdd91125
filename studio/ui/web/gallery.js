// Shows the kept clips, newest first, posters only until one is played; owns what the visitor can do with a clip.
const note = find('.fb-gallery-note');
const finder = dressFinder();
const own = shelf('own', words.empty);
if (visitor() && window.flipbookForgets) find('.fb-mine').textContent = words.forgets;
const showcase = given.hasShowcase ? shelf('showcase', words.emptyShowcase) : null;
let open = own;

// One row of clips out of one list of the server's.
function shelf(name, empty) {
  const root = find(`.fb-shelf-${name}`), grid = find('.fb-grid', root), older = find('.fb-older', root);
  const cards = new Map(); // clip id -> {clip, node}
  let oldest = null; // number of the last clip that was read page by page

  // What comes for an earlier search is of no use any more.
  async function page(before) {
    const sought = name === 'own' ? finder.sought() : {};
    const reply = await ask('list_clips', { shelf: name, before, ...sought });
    if (name === 'own' && !finder.isStill(sought)) return null;
    if (reply && reply.clips) return reply;
    if (open.name === name) note.textContent = (reply && reply.error) || words.offline;
    return null;
  }

  async function refresh() {
    const reply = await page(null);
    if (!reply) return void setTimeout(() => element.isConnected && refresh(), 4000);
    const listed = new Set(reply.clips.map((clip) => clip.id));
    const isFarBehind = reply.more && cards.size > 0 && !reply.clips.some((clip) => cards.has(clip.id));
    const reach = reply.more && !isFarBehind ? reply.clips[reply.clips.length - 1].number : -Infinity;
    // What this page should hold and does not was removed elsewhere.
    for (const [id, { clip }] of cards) if (clip.number >= reach && !listed.has(id)) drop(id);
    reply.clips.forEach(put);
    if (oldest === null || isFarBehind) turned(reply);
    if (reply.removals) showRemovals(reply.removals);
    if (open.name === name) tidy();
  }

  async function showOlder() {
    const hadFocus = document.activeElement === older;
    older.disabled = true;
    const reply = await page(oldest);
    older.disabled = false;
    if (!reply) return;
    reply.clips.forEach(put);
    turned(reply);
    if (hadFocus && reply.clips.length) find('.fb-play, video', cards.get(reply.clips[0].id).node)?.focus();
  }

  function turned({ clips, more }) {
    if (clips.length) oldest = clips[clips.length - 1].number;
    older.hidden = !more;
  }

  function put(clip) {
    const known = cards.get(clip.id);
    if (known) dress(known.node, Object.assign(known.clip, clip));
    else {
      const node = card(clip, name === 'own');
      dress(node, clip);
      cards.set(clip.id, { clip, node });
      grid.insertBefore(node, [...grid.children].find((other) => Number(other.dataset.number) < clip.number) || null);
    }
  }

  function drop(id) {
    const known = cards.get(id);
    if (known) known.node.remove();
    cards.delete(id);
  }

  function clear() {
    for (const id of [...cards.keys()]) drop(id);
    oldest = null;
  }

  function tidy() {
    if (name === 'own') finder.show(cards.size > 0);
    if (name === 'own') find('.fb-mine').hidden = !given.isBrowsers || !cards.size;
    note.textContent = cards.size ? '' : name === 'own' && finder.isBusy() ? words.noneFound : empty;
  }
  // What the next card plays, or the one before it: where the focus goes when this card does.
  function beside(id) {
    const node = cards.get(id)?.node, other = node && (node.nextElementSibling || node.previousElementSibling);
    return other && find('.fb-play, video', other);
  }
  older.addEventListener('click', showOlder);
  return { name, root, refresh, drop, put, tidy, clear, beside };
}

// Words to look for among your clips, and whether only favourites are wanted; not to be seen where there are none.
function dressFinder() {
  const box = find('.fb-find'), text = find('[type=search]', box), starred = find('[type=checkbox]', box);
  const sought = () => ({ words: text.value, favourites: starred.checked });
  const isStill = (one) => one.words === text.value && one.favourites === starred.checked;
  const isBusy = () => Boolean(text.value.trim()) || starred.checked;
  async function look(waitMs) {
    const mine = sought();
    await sleep(waitMs);
    if (!isStill(mine)) return;
    own.clear();
    own.refresh();
  }
  text.addEventListener('input', () => look(250));
  starred.addEventListener('change', () => look(0));
  return { sought, isStill, isBusy, show: (hasClips) => (box.hidden = !hasClips && !isBusy()) };
}

// In a field of the form, since an address is kept and shown in many places.
find('.fb-all').addEventListener('submit', () => (find('.fb-all input').value = visitor()));

// Yours and the showcase as tabs, where there is a showcase.
const tabs = [...element.querySelectorAll('.fb-shelves [role=tab]')];
function turnTo(name) {
  open = name === 'showcase' ? showcase : own;
  for (const tab of tabs) {
    tab.setAttribute('aria-selected', String(tab.dataset.shelf === name));
    tab.tabIndex = tab.dataset.shelf === name ? 0 : -1;
  }
  for (const one of [own, showcase]) one.root.hidden = one !== open;
  open.refresh();
}
function dressTabs() {
  find('.fb-shelves').hidden = false;
  for (const tab of tabs) {
    const panel = find(`.fb-shelf-${tab.dataset.shelf}`);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    tab.addEventListener('click', () => turnTo(tab.dataset.shelf));
    tab.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
      const other = tabs[1 - tabs.indexOf(tab)];
      other.focus();
      turnTo(other.dataset.shelf);
    });
  }
}

// What was swept, until the visitor has taken note of it.
const SEEN = 'flipbook.removals';
let seenRemoval = 0;
function showRemovals(removals) {
  try {
    seenRemoval = Math.max(seenRemoval, Number(localStorage.getItem(SEEN)) || 0);
  } catch {
    // A browser that keeps nothing tells of it on each visit.
  }
  const fresh = removals.filter((removal) => removal.number > seenRemoval);
  const lines = fresh.map(({ text, removed }) => {
    const day = new Date(removed * 1000).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
    return make('p', '', text.replace('{date}', day));
  });
  find('.fb-removed').hidden = fresh.length === 0;
  find('.fb-removed > div').replaceChildren(...lines);
  find('.fb-removed').dataset.number = Math.max(0, ...fresh.map((removal) => removal.number));
}
find('.fb-removed button').addEventListener('click', () => {
  seenRemoval = Number(find('.fb-removed').dataset.number);
  find('.fb-removed').hidden = true;
  find('h2').focus();
  try {
    localStorage.setItem(SEEN, String(seenRemoval));
  } catch {
    // It stays away until the page is loaded again.
  }
});

document.addEventListener('click', (event) => {
  for (const menu of element.querySelectorAll('.fb-more[open]')) if (!menu.contains(event.target)) menu.open = false;
});

// One answer of one dialog, asked by a button that far down: resolves to whether it was yes.
function answer(dialog, clip, y) {
  const quoted = find('.fb-dialog-clip', dialog);
  if (quoted) quoted.textContent = clip.prompt || words.untitled;
  return new Promise((done) => {
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => done(dialog.returnValue === 'yes'), { once: true });
    // A Space's frame is as tall as the page in it, and its middle may be far from what is seen of it.
    if (self !== top) dialog.style.marginTop = `${Math.max(16, Math.min(y, innerHeight - 320) - 160)}px`;
    dialog.showModal();
  });
}

// In the clip's own card, where whoever pressed a button looks.
function complain(clip, sentence) {
  const card = find(`.fb-shelf:not([hidden]) [data-clip="${clip.id}"]`);
  if (!card) return void (note.textContent = sentence);
  find('.fb-complaint', card)?.remove();
  const said = make('p', 'fb-card-note fb-complaint', sentence);
  said.setAttribute('role', 'alert');
  find('.fb-facts', card).after(said);
}

// Asks the server to change something; whether it did, else it is said why not.
async function change(name, clip, data = {}) {
  const reply = await ask(name, { clip: clip.id, ...data });
  const isDone = Boolean(reply && !reply.error);
  if (isDone) find(`[data-clip="${clip.id}"] .fb-complaint`)?.remove();
  else complain(clip, (reply && reply.error) || words.notChanged);
  return isDone;
}

// Takes a film out of here, to a chat or among the photographs.
async function sendOn(clip) {
  try {
    const answer = await fetch(clip.video);
    if (!answer.ok) throw new Error(answer.status);
    const film = await answer.blob();
    await navigator.share({ files: [new File([film], clip.file_name, { type: 'video/mp4' })] });
  } catch (error) {
    if (error.name !== 'AbortError') complain(clip, words.notSent); // else it was the visitor who ended it
  }
}

// A long clip takes seconds to be scaled up, so its card says what is going on.
async function saveLarger(clip) {
  const card = find(`.fb-shelf:not([hidden]) [data-clip="${clip.id}"]`);
  find('.fb-enlarging', card)?.remove();
  const said = make('p', 'fb-card-note fb-enlarging');
  said.setAttribute('role', 'status');
  find('.fb-facts', card).after(said);
  await sleep(100); // a screen reader hears of what comes into a place that is there
  said.textContent = words.enlarging;
  try {
    const answer = await fetch(clip.larger);
    if (!answer.ok) throw new Error(answer.status);
    const link = make('a');
    Object.assign(link, { href: URL.createObjectURL(await answer.blob()), download: clip.file_name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    said.remove();
  } catch {
    said.textContent = words.notEnlarged;
  }
}

async function askDelete(clip, y) {
  if (!(await answer(find('.fb-ask-delete'), clip, y)) || !(await change('remove_clip', clip))) return;
  const near = open.beside(clip.id), wasHere = element.contains(document.activeElement);
  for (const one of [own, showcase]) if (one) one.drop(clip.id);
  tell('deleted', clip.id);
  open.tidy();
  note.textContent = words.deleted;
  if (wasHere) (near || find('h2')).focus({ preventScroll: true });
}

async function askExtend(clip, y) {
  const dialog = find('.fb-ask-extend');
  const { shortest, longest, usual, longestPrompt } = extensionOf(clip);
  Object.assign(find('textarea', dialog), { value: drafts.get(clip.id) ?? clip.prompt, maxLength: longestPrompt });
  dialog.dataset.clip = clip.id;
  // The bounds first: a value outside of the old ones would be cut to them.
  Object.assign(seconds, { min: shortest, max: longest });
  seconds.value = usual;
  shownSeconds();
  if (!(await answer(dialog, clip, y))) return;
  const prompt = find('textarea', dialog).value;
  trigger('again', { action: 'extend', clip: clip.id, seconds: Number(seconds.value), prompt, ...press() });
}

async function askShow(clip, y) {
  if (!(await answer(find('.fb-ask-show'), clip, y)) || !(await change('show_clip', clip, { yes: true }))) return;
  own.put({ ...clip, is_shown: true });
  note.textContent = words.isShown;
}

async function takeBack(clip) {
  if (!(await change('show_clip', clip, { yes: false }))) return;
  own.put({ ...clip, is_shown: false });
  showcase.drop(clip.id);
  note.textContent = given.isPrivate ? words.isTakenBack : words.isTakenBackShared;
}

// The star turns at once, and back if the server did not take it.
async function favour(clip, yes) {
  own.put({ ...clip, is_favourite: yes });
  if (!(await change('favour_clip', clip, { yes }))) own.put({ ...clip, is_favourite: !yes });
}

const seconds = find('.fb-ask-extend input');
const shownSeconds = () => (find('.fb-ask-extend output').textContent = seconds.value);
seconds.addEventListener('input', shownSeconds);
// Clip -> what was typed for its extension: neither Esc nor a lost connection takes it away.
const drafts = new Map();
find('.fb-ask-extend textarea').addEventListener('input', ({ target }) =>
  drafts.set(find('.fb-ask-extend').dataset.clip, target.value));
// No button of the form's own: Enter would press the first of them.
find('.fb-cancel').addEventListener('click', () => find('.fb-ask-extend').close('no'));

// A number, so that the same wish again is another event; and for a new clip the id of its job.
let asked = 0;
const press = () => ({ ...window.flipbookPress?.(), n: ++asked });
hear('act', ({ action, clip, yes, at, y }) => {
  const event = { action, clip: clip.id, at, n: ++asked };
  if (action === 'delete') askDelete(clip, y);
  else if (action === 'extend') askExtend(clip, y);
  else if (action === 'favour') favour(clip, yes);
  else if (action === 'show') askShow(clip, y);
  else if (action === 'send') sendOn(clip);
  else if (action === 'larger') saveLarger(clip);
  else if (action === 'unshow') takeBack(clip);
  else if (action === 'same' || action === 'new') trigger('again', { ...event, ...press() });
  else if (action === 'frame') trigger('frame', event);
  else if (action === 'reuse') reuse(event);
});

// What was typed makes way for a clip's words, and can be had back.
function reuse(event) {
  window.flipbookSetAside();
  trigger('reuse', event);
}

// A clip's file from anywhere, chosen or dropped here: the settings in it go into the form.
async function reuseFile(chosen) {
  if (!chosen) return;
  const megabytes = chosen.size / 1e6;
  if (megabytes > given.limit) {
    note.textContent = words.fileLarge.replace('{limit}', given.limit).replace('{size}', Math.ceil(megabytes));
    return;
  }
  note.textContent = words.fileReading;
  try {
    const { path } = await upload(chosen);
    open.tidy();
    reuse({ file: path, n: ++asked });
  } catch {
    note.textContent = words.fileFailed;
  }
}

const file = find('.fb-from-file input');
file.addEventListener('change', () => {
  reuseFile(file.files[0]);
  file.value = '';
});
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  element.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    find('.fb-from-file').classList.toggle('fb-over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') reuseFile(event.dataTransfer.files[0]);
  });
}

hear('made', () => own.refresh());
document.addEventListener('visibilitychange', () => !document.hidden && element.isConnected && open.refresh());
if (showcase) dressTabs();
own.refresh();
