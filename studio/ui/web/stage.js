// Follows the visitor's own jobs by asking the server now and then; remembers their ids over reloads and lost connections.
const KEY = 'flipbook-jobs-v1';
const screen = find('.fb-screen'), strip = find('.fb-strip'), film = find('.fb-film'), empty = find('.fb-empty');
const headline = find('.fb-headline'), detail = find('.fb-detail'), bar = find('.fb-progress'), stop = find('.fb-stop');
const result = find('.fb-result'), waiting = find('.fb-waiting');

let jobs = remembered(); // ids, oldest first
let run = 0; // the number of the loop that may draw
let shownPreview = '';
let previewOf = null; // the job whose picture the strip holds
let shownClip = null;
const seenLive = new Set(); // jobs that were being made while this page looked on
const announced = new Set(); // clips that the gallery was told of

function remembered() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string').slice(-20) : [];
  } catch {
    return [];
  }
}

// Another tab may follow jobs of its own: what it wrote stays, but for those that are over.
function remember(ids, over = []) {
  jobs = ids;
  const others = remembered().filter((id) => !ids.includes(id) && !over.includes(id));
  try {
    localStorage.setItem(KEY, JSON.stringify([...others, ...ids].slice(-20)));
  } catch {
    // A browser that keeps nothing still shows this visit's jobs.
  }
}

async function follow() {
  const me = ++run;
  let failures = 0;
  while (me === run && element.isConnected) {
    let reply;
    try {
      reply = await server.poll_jobs({ jobs, preview: shownPreview });
      // Gradio's client answers undefined when the connection is lost.
      if (!reply || !reply.jobs) throw new Error('no answer');
      failures = 0;
    } catch {
      failures += 1;
      if (me === run) say(words.offline, '');
      await sleep(Math.min(8000, 500 * 2 ** failures));
      continue;
    }
    if (me !== run) return;
    draw(reply);
    if (!reply.busy) return;
    await sleep(document.hidden ? 3000 : 400);
  }
}

function draw({ jobs: all, readiness }) {
  // A job that is gone was deleted with its clip, unless it went while this page looked on.
  const views = all.filter((view) => view.state !== 'gone' || seenLive.has(view.id));
  const live = views.filter((view) => view.live);
  const focus = live.find((view) => view.state === 'running') || live[0] || views[views.length - 1];
  for (const view of views) {
    if (view.live) seenLive.add(view.id);
    else if (view.clip && !announced.has(view.clip.id)) tell('made', announced.add(view.clip.id));
  }
  const kept = views.filter((view) => view.live || view === focus).map((view) => view.id);
  remember(kept, all.map((view) => view.id).filter((id) => !kept.includes(id)));
  drawWaiting(live.filter((view) => view !== focus));
  if (!focus) return drawIdle(readiness);
  if (focus.live) drawLive(focus, readiness);
  else drawOver(focus);
}

function say(first, second) {
  // Only a change is spoken by a screen reader, so the same words are not written again.
  if (headline.textContent !== first) headline.textContent = first;
  if (detail.textContent !== second) detail.textContent = second;
}

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
  stop.hidden = bar.hidden = result.hidden = true;
  say(['loading', 'failed'].includes(readiness.state) ? readiness.sentence : '', '');
}

function drawLive(view, readiness) {
  element.dataset.state = view.state;
  reshape(...view.ratio.split(':').map(Number));
  result.hidden = true;
  const isLoading = view.state === 'queued' && readiness.state === 'loading';
  say(view.headline, isLoading ? readiness.sentence : view.detail);
  drawBar(view);
  stop.hidden = false;
  stop.disabled = stop.dataset.job === view.id && stop.dataset.asked === 'yes';
  if (stop.dataset.job !== view.id) Object.assign(stop.dataset, { job: view.id, asked: 'no' });
  if (stop.disabled) say(words.stopping, '');
  if (view.preview) drawPreview(view);
  // The last picture stays while the clip is decoded and saved.
  else reveal(previewOf === view.id ? strip : empty);
}

function drawBar(view) {
  bar.hidden = false;
  if (view.fraction === null || view.fraction === undefined) bar.removeAttribute('value');
  else bar.value = view.fraction;
}

function drawPreview(view) {
  shownPreview = view.preview_key;
  previewOf = view.id;
  const frames = view.preview_frames;
  strip.style.backgroundImage = `url(${view.preview})`;
  strip.style.backgroundSize = `${frames * 100}% 100%`;
  const animation = frames > 1 && !isCalm ? `fb-strip ${frames / 6}s steps(${frames}, jump-none) infinite` : 'none';
  // Setting the same animation again would start it over with every picture.
  if (strip.dataset.frames !== String(frames)) strip.style.animation = animation;
  strip.dataset.frames = frames;
  reveal(strip);
}

function drawOver(view) {
  element.dataset.state = view.state;
  stop.hidden = bar.hidden = true;
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
  reveal(film);
  shownClip = clip.id;
  find('.fb-result-prompt').textContent = clip.prompt;
  find('.fb-facts').textContent = clip.facts;
  const order = ['new', 'same', 'extend', 'frame', 'reuse', 'download', 'delete'];
  find('.fb-actions').replaceChildren(...order.map((action) => actionButton(clip, action)));
  result.hidden = false;
  if (seenLive.has(view.id)) play();
}

async function play() {
  try {
    await film.play();
  } catch {
    // A browser may refuse sound before the first click; the controls are there.
  }
}

function drawWaiting(views) {
  waiting.hidden = views.length === 0;
  const rows = views.map((view) => {
    const row = make('li');
    const button = make('button', 'fb-button fb-stop', words.stop);
    button.type = 'button';
    button.addEventListener('click', () => ask(view.id, button));
    row.append(make('span', 'fb-waiting-prompt', view.prompt), make('span', 'fb-detail', view.detail), button);
    row.dataset.key = view.id + view.detail;
    return row;
  });
  const list = find('ul', waiting);
  const now = [...list.children].map((row) => row.dataset.key).join();
  // Rebuilding only on a change keeps the keyboard's focus on a button.
  if (now !== rows.map((row) => row.dataset.key).join()) list.replaceChildren(...rows);
}

async function ask(job, button) {
  button.disabled = true;
  const reply = await server.stop_job({ job });
  if (!reply || reply.error) button.disabled = false;
  return !button.disabled ? false : follow();
}

stop.addEventListener('click', () => {
  stop.dataset.asked = 'yes';
  say(words.stopping, '');
  ask(stop.dataset.job, stop);
});

hear('deleted', (clip) => {
  if (clip !== shownClip) return;
  remember([], jobs);
  reveal(empty);
  say('', '');
  result.hidden = true;
});

watch('value', () => {
  const job = props.value && props.value.job;
  if (!job) return;
  remember([...jobs.filter((id) => id !== job), job]);
  seenLive.add(job);
  shownPreview = '';
  // On a phone the stage is below the form, and what goes on is under its picture.
  element.scrollIntoView({ block: innerWidth < 760 ? 'start' : 'nearest', behavior: isCalm ? 'auto' : 'smooth' });
  follow();
});
document.addEventListener('visibilitychange', () => !document.hidden && follow());
follow();
