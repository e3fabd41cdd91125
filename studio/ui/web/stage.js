// Follows the visitor's jobs by asking the server now and then; remembers what this browser asked for over reloads.
const KEY = 'flipbook-jobs-v1', MOST = 20;
const PRESSES = 'flipbook-presses-v1', MOST_PRESSES = 4, PATIENCE_MS = 60000, MOST_RETRIES = 4;
const screen = find('.fb-screen'), strip = find('.fb-strip'), film = find('.fb-film'), empty = find('.fb-empty');
const headline = find('.fb-headline'), detail = find('.fb-detail'), bar = find('.fb-progress');
const stop = find('.fb-stop'), keep = find('.fb-keep-it'), finish = find('.fb-finish');
const result = find('.fb-result'), waiting = find('.fb-waiting');

let jobs = remembered(); // ids that are asked about, oldest first
let run = 0; // the number of the loop that may draw
let newest = null; // number of the newest clip of all
let focused = null; // the job on the stage
let isLive = false; // whether it is not over
let parting = ''; // what is said of a clip that was deleted here, until there is another
let shownPreview = '';
let previewOf = null; // the job whose picture the strip holds
let shownClip = null;
// Jobs that this browser asked for and the studio has not told of yet -> since when it says that it knows none.
const unheard = new Map(remembered(PRESSES).map((id) => [id, null]));
const lost = new Set(unheard.keys()); // of these, what was pressed before the page was loaded
const asked = new Set(jobs); // jobs that this browser asked for; others are the visitor's on other devices
const removed = new Set(); // jobs whose clips were deleted on this page
const seenLive = new Set(); // jobs that were being made while this page looked on
const orders = new Map(); // job -> 'stop' or 'keep', once a button was pressed

function remembered(key = KEY) {
  try {
    const ids = JSON.parse(localStorage.getItem(key));
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string').slice(-MOST) : [];
  } catch {
    return [];
  }
}

// Another tab may follow jobs of its own: what it wrote stays, but for those that are over.
function remember(ids, over = []) {
  jobs = ids.slice(-MOST);
  const others = remembered().filter((id) => !ids.includes(id) && !over.includes(id));
  try {
    localStorage.setItem(KEY, JSON.stringify([...others, ...ids.filter((id) => asked.has(id))].slice(-MOST)));
  } catch {
    // A browser that keeps nothing still shows this visit's jobs.
  }
}

function rememberPress(id, isHeard) {
  const others = remembered(PRESSES).filter((other) => other !== id);
  if (isHeard) unheard.delete(id);
  else unheard.set(id, null);
  for (const old of [...unheard.keys()].slice(0, -MOST_PRESSES)) unheard.delete(old);
  try {
    localStorage.setItem(PRESSES, JSON.stringify((isHeard ? others : [...others, id]).slice(-MOST_PRESSES)));
  } catch {
    // The press is found again as long as the page is open.
  }
}

// A job that was asked for is followed from the press on, so that it is found although the answer was lost. What the
// studio refused or never got is forgotten after a while.
function settlePresses(views) {
  const nowMs = performance.now();
  for (const { id, state } of views.filter((view) => unheard.has(view.id))) {
    const sinceMs = unheard.get(id) ?? nowMs;
    if (state === 'gone' && nowMs - sinceMs < PATIENCE_MS) unheard.set(id, sinceMs);
    else rememberPress(id, true);
    if (state === 'gone') continue;
    asked.add(id);
    seenLive.add(id);
  }
}

// Where answers take long, a crowd is there: each page then asks less often, and all get on.
function pause(isBusy, tookMs) {
  const calm = document.hidden ? (isBusy ? 3000 : 30000) : isBusy ? 400 : 4000;
  return Math.max(calm, Math.min(5000, 4 * tookMs));
}

async function follow() {
  const me = ++run;
  let failures = 0;
  while (me === run && element.isConnected) {
    const askedMs = performance.now();
    let reply;
    try {
      const followed = [...new Set([...jobs, ...unheard.keys()])].slice(-MOST);
      reply = await ask('poll_jobs', { jobs: followed, preview: shownPreview });
      // Gradio's client answers undefined when the connection is lost.
      if (!reply || !reply.jobs) throw new Error('no answer');
      failures = 0;
    } catch {
      failures += 1;
      // The studio may have been started again, and knows of no order then.
      orders.clear();
      if (me === run) say((reply && reply.error) || (isLive ? words.offline : words.offlineIdle), '');
      if (await isStale()) return void location.reload();
      await sleep(Math.min(8000, 500 * 2 ** failures));
      continue;
    }
    if (me !== run) return;
    draw(reply);
    await sleep(pause(reply.busy, performance.now() - askedMs));
  }
}

// After the studio was started again, whoever had signed in is asked to do so once more; and where its form is another
// one by now, it does not know what this page asks. What was filled in is there again after a reload.
async function isStale() {
  try {
    if ((await fetch('gradio_api/login_check')).status === 401) return true;
    const answer = await fetch('gradio_api/app_id');
    return answer.ok && (await answer.json()).app_id !== window.gradio_config.app_id;
  } catch {
    return false;
  }
}

function draw({ jobs: all, readiness, newest: number }) {
  if (newest !== null && number !== newest) tell('made', number);
  newest = number;
  settlePresses(all);
  // A job that is gone was deleted with its clip, unless it went while this page looked on.
  const views = all.filter((view) => !removed.has(view.id) && (view.state !== 'gone' || seenLive.has(view.id)));
  const focus = inFocus(views);
  for (const view of views) {
    if (view.live) {
      seenLive.add(view.id);
      lost.delete(view.id);
    } else orders.delete(view.id);
    if (view.preview) keepPreview(view);
  }
  const kept = views.filter((view) => view.live || view === focus).map((view) => view.id);
  remember(kept, all.map((view) => view.id).filter((id) => !kept.includes(id)));
  drawWaiting(views.filter((view) => view.live && view !== focus));
  drawTitle(focus && isMine(focus) ? focus : null);
  focused = focus ? focus.id : null;
  isLive = Boolean(focus && focus.live);
  if (!focus) drawIdle(readiness);
  else if (focus.live) drawLive(focus, readiness);
  else drawOver(focus);
  keepFocus();
}

// Who pressed a button that is gone by now goes on from the words that say what became of it; from another button, a
// second press might do what nobody meant.
let lastFocus = null;
document.addEventListener('focusin', ({ target }) => (lastFocus = element.contains(target) ? target : null));
const isUsable = (node) => node.isConnected && !node.disabled && node.checkVisibility();
function keepFocus() {
  const isLost = lastFocus && !isUsable(lastFocus) && document.activeElement === document.body;
  if (isLost) headline.focus({ preventScroll: true });
}

const isMine = (view) => given.isPrivate || asked.has(view.id);

// What this browser asked for comes first, and the film one has just seen being made is not pushed aside by
// others' clips; where galleries are private, there are no others.
function inFocus(views) {
  const mine = views.filter(isMine), others = views.filter((view) => !isMine(view));
  const live = (list) => list.find((view) => view.state === 'running') || list.find((view) => view.live);
  return live(mine) || mine.findLast((view) => seenLive.has(view.id)) || live(others) || views[views.length - 1];
}

// Only a change is written: a screen reader speaks it, and what the browser has translated stays.
let said = ['', ''];
function say(...sentences) {
  [headline, detail].forEach((node, at) => said[at] !== sentences[at] && (node.textContent = sentences[at]));
  said = sentences;
}

// The screen is the clip's own shape when that is wide; a tall clip stands in the middle of a square one.
function reshape(width, height) {
  screen.style.setProperty('--ratio', `${width} / ${height}`);
  screen.dataset.shape = width >= height ? 'wide' : 'tall';
}

function reveal(node) {
  for (const other of [strip, film, empty]) other.hidden = other !== node;
  if (node !== film) {
    film.pause();
    shownClip = null;
  }
}

function drawIdle(readiness) {
  reveal(empty);
  element.dataset.state = 'idle';
  stop.hidden = keep.hidden = finish.hidden = bar.hidden = result.hidden = true;
  say(hindrance(readiness) || parting, '');
}

function hindrance(readiness) {
  return ['loading', 'failed'].includes(readiness.state) ? readiness.sentence : '';
}

function drawLive(view, readiness) {
  parting = '';
  element.dataset.state = view.state;
  reshape(...view.ratio.split(':').map(Number));
  const order = orders.get(view.id);
  if (order) say(order === 'keep' ? words.keeping : words.stopping, '');
  else say(view.headline, (view.state === 'queued' && hindrance(readiness)) || view.detail);
  drawBar(view);
  result.hidden = finish.hidden = true;
  keep.hidden = !view.can_keep || Boolean(order);
  stop.hidden = false;
  stop.disabled = order === 'stop';
  // The last picture stays while the clip is decoded and saved.
  reveal(previewOf === view.id ? strip : empty);
}

function drawBar(view) {
  bar.hidden = false;
  if (view.fraction === null || view.fraction === undefined) bar.removeAttribute('value');
  else bar.value = view.fraction;
}

function keepPreview(view) {
  shownPreview = view.preview_key;
  previewOf = view.id;
  const frames = view.preview_frames;
  strip.style.backgroundImage = `url(${view.preview})`;
  strip.style.backgroundSize = `${frames * 100}% 100%`;
  const animation = frames > 1 && !isCalm ? `fb-strip ${frames / 6}s steps(${frames}, jump-none) infinite` : 'none';
  // Setting the same animation again would start it over with every picture.
  if (strip.dataset.frames !== String(frames)) strip.style.animation = animation;
  strip.dataset.frames = frames;
}

function drawOver(view) {
  element.dataset.state = view.state;
  stop.hidden = keep.hidden = bar.hidden = true;
  finish.hidden = !view.can_finish;
  if (view.state === 'done' && view.clip) drawClip(view);
  else {
    result.hidden = true;
    reveal(empty);
    say(view.headline, '');
  }
}

function drawClip(view) {
  const clip = view.clip;
  say(view.headline, '');
  if (shownClip === clip.id) return;
  reshape(clip.width, clip.height);
  film.poster = clip.poster;
  film.src = clip.video;
  retries = 0;
  reveal(film);
  shownClip = clip.id;
  find('.fb-result-prompt').textContent = clip.prompt;
  drawFacts(find('.fb-facts'), clip.facts);
  find('.fb-card-note', result).textContent = clip.note;
  const order = ['new', 'same', 'extend', 'frame', 'reuse', 'download', ...(canSend ? ['send'] : []), 'delete'];
  find('.fb-actions', result).replaceChildren(...order.map((action) => actionButton(clip, action)));
  result.hidden = false;
  // On a device that did not ask for it, long after it was asked for, or in a tab that nobody looks at, a film does not
  // begin to sound.
  if (seenLive.has(view.id) && asked.has(view.id) && !lost.has(view.id) && !document.hidden) play();
}

// On a weak line a film may break off before it begins, and a browser does not try again by itself.
let retries = 0;
film.addEventListener('error', () => {
  if (shownClip && retries < MOST_RETRIES) setTimeout(() => shownClip && film.load(), 2000 * ++retries);
  else if (shownClip) say(words.notPlayed, '');
});

async function play() {
  try {
    await film.play();
  } catch {
    // A browser may refuse sound before the first click; the controls are there.
  }
}

function drawWaiting(views) {
  waiting.hidden = views.length === 0;
  const list = find('ul', waiting);
  // A row stays as long as its job waits: rebuilt, its button would lose the keyboard's focus and half of a tap.
  const rows = new Map([...list.children].map((row) => [row.dataset.job, row]));
  for (const view of views) {
    const row = rows.get(view.id) || list.appendChild(waitingRow(view));
    if (row.dataset.detail !== view.detail) find('.fb-detail', row).textContent = row.dataset.detail = view.detail;
    rows.delete(view.id);
  }
  for (const row of rows.values()) row.remove();
}

function waitingRow({ id, prompt }) {
  const row = make('li'), button = make('button', 'fb-button fb-stop', words.stop);
  button.type = 'button';
  button.setAttribute('aria-label', `${words.stop}: ${prompt}`);
  button.addEventListener('click', () => order(id, 'stop', button));
  row.append(make('span', 'fb-waiting-prompt', prompt), make('span', 'fb-detail'), button);
  row.dataset.job = id;
  return row;
}

async function order(job, what, button) {
  orders.set(job, what);
  button.disabled = true;
  const reply = await ask('stop_job', { job, keep: what === 'keep' });
  button.disabled = false;
  if (!reply || reply.error) orders.delete(job);
  follow();
}

stop.addEventListener('click', () => {
  say(words.stopping, '');
  order(focused, 'stop', stop);
});
keep.addEventListener('click', () => {
  say(words.keeping, '');
  order(focused, 'keep', keep);
});
finish.addEventListener('click', async () => {
  finish.disabled = true;
  const reply = await ask('finish_job', { job: focused });
  finish.disabled = false;
  if (reply && reply.error) say(reply.error, '');
  else follow();
});

// A clip's id is that of its job.
hear('deleted', (clip) => {
  removed.add(clip);
  if (clip === shownClip) {
    remember([], jobs);
    reveal(empty);
    parting = words.deleted;
    say(parting, '');
    if (result.contains(document.activeElement)) headline.focus({ preventScroll: true });
    result.hidden = true;
  }
  follow();
});

// Make and the gallery send with their event what this returns.
window.flipbookPress = () => {
  const drawn = newId();
  rememberPress(drawn, false);
  return { drawn };
};
watch('value', () => {
  const job = props.value && props.value.job;
  if (!job) return;
  asked.add(job);
  seenLive.add(job);
  rememberPress(job, true);
  remember([...jobs.filter((id) => id !== job), job]);
  shownPreview = '';
  // On a phone the stage is below the form, and what goes on is under its picture.
  element.scrollIntoView({ block: innerWidth < 760 ? 'start' : 'nearest', behavior: isCalm ? 'auto' : 'smooth' });
  follow();
});
// What another tab of this browser asks for is shown here at once.
addEventListener('storage', ({ key }) => {
  if (key !== KEY || !element.isConnected) return;
  const others = remembered().filter((id) => !asked.has(id));
  if (!others.length) return;
  others.forEach((id) => asked.add(id));
  jobs = [...jobs, ...others].slice(-MOST);
  follow();
});
document.addEventListener('visibilitychange', () => !document.hidden && follow());
follow();
