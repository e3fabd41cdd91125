// One card: poster, star, words, facts and actions. Prompts go in as text only.
function card(clip, isOwn) {
  const node = make('li', 'fb-card');
  Object.assign(node.dataset, { clip: clip.id, number: clip.number });
  const facts = drawFacts(make('p', 'fb-facts'), clip.facts);
  facts.title = new Date(clip.created * 1000).toLocaleString();
  node.append(media(clip), make('p', 'fb-prompt', clip.prompt || words.untitled), facts);
  if (clip.note) node.append(make('p', 'fb-card-note', clip.note));
  if (isOwn) node.append(star(clip));
  node.append(isOwn ? actions(clip) : showcaseActions(clip));
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
  // On a weak line it may not come, and then the poster's button is there again.
  video.addEventListener('error', () => {
    box.replaceWith(media(clip));
    complain(clip, words.notPlayed);
  });
  video.play().catch(() => {});
  video.focus();
}

function star(clip) {
  const button = make('button', 'fb-star');
  button.type = 'button';
  button.setAttribute('aria-label', words.favourite);
  button.title = words.favourite;
  button.append(make('span', 'fb-icon'));
  button.addEventListener('click', () => tell('act', { action: 'favour', clip, yes: !clip.is_favourite }));
  return button;
}

const keeping = (clip) => ['download', ...(clip.larger ? ['larger'] : []), ...(canSend ? ['send'] : [])];

function actions(clip) {
  const row = make('div', 'fb-actions');
  const more = make('details', 'fb-more');
  const list = make('div', 'fb-menu');
  const names = ['same', 'frame', 'reuse', ...keeping(clip), ...(given.hasShowcase ? ['show', 'unshow'] : []), 'delete'];
  list.append(...names.map((action) => actionButton(clip, action)));
  // Before the button's own handler, so that a dialog gives the focus back to what is still there.
  list.addEventListener('click', () => find('summary', more).focus(), true);
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

function showcaseActions(clip) {
  const row = make('div', 'fb-actions');
  row.append(...['reuse', ...keeping(clip)].map((action) => actionButton(clip, action)));
  return row;
}

// What may change about a clip while its card stands.
function dress(node, clip) {
  const button = find('.fb-star', node);
  if (button) button.setAttribute('aria-pressed', String(clip.is_favourite));
  for (const [icon, isHidden] of [['show', clip.is_shown], ['unshow', !clip.is_shown]]) {
    const action = find(`.fb-button:has(.fb-icon-${icon})`, node);
    if (action) action.hidden = isHidden;
  }
}
