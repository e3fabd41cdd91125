// While a clip is made, the browser's tab says how far it is; and how it ended, until somebody looks.
let told = null; // the job that the tab tells of
const title = (...parts) => (document.title = [...parts, words.name].join(' · '));

function drawTitle(view) {
  if (view && view.live) {
    told = view.id;
    title(typeof view.fraction === 'number' ? `${Math.round(100 * view.fraction)} %` : view.headline);
  } else if (told) {
    const ending = view && view.id === told && document.hidden && words[view.state];
    told = null;
    title(...(ending ? [ending] : []));
  }
}
document.addEventListener('visibilitychange', () => !document.hidden && !told && title());
