() => {
  // Ctrl + Enter or Cmd + Enter in a prompt presses that tab's own button. Shift + Enter is Gradio's own.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest && event.target.closest('.fb-make');
    if (!form) return;
    event.preventDefault();
    form.querySelector('button.fb-make-button, .fb-make-button button').click();
  });
  // What "Use last frame" is called while a film is halted before its end.
  for (const kind of ['play', 'pause', 'ended', 'seeked', 'emptied']) {
    const name = ({ target }) => {
      const isHalted = target.paused && !target.ended && target.currentTime > 0;
      const labels = target.closest?.('.fb-card, .fb-stage')?.querySelectorAll('[data-now]') || [];
      for (const label of labels) label.textContent = isHalted ? label.dataset.now : label.dataset.last;
    };
    document.addEventListener(kind, name, true);
  }
  // One film at a time is heard.
  document.addEventListener('play', ({ target }) => {
    if (target.muted) return;
    for (const film of document.querySelectorAll('video')) if (film !== target && !film.muted) film.pause();
  }, true);
  // What is typed while the connection is lost too: Gradio hears no event then, and loads the page anew after that.
  document.addEventListener('input', ({ target }) => {
    const box = target.closest?.('[id^="fb-words-"]');
    try {
      if (!box) return;
      const key = `flipbook-draft-${box.id.slice(9)}-v2`;
      sessionStorage.setItem(key, target.value);
      localStorage.setItem(key, target.value);
    } catch {
      // This browser keeps nothing.
    }
  });
  // What was typed is set aside where other words take its place, and one press on its chip brings it back.
  const aside = {};
  window.flipbookSetAside = () => {
    for (const form of document.querySelectorAll('.fb-make')) {
      const box = form.querySelector('.fb-prompt-box textarea'), own = form.querySelector('.fb-own');
      const examples = [...form.querySelectorAll('.fb-chip')].map((chip) => chip.textContent.trim());
      if (!box || !own || !box.value.trim() || examples.includes(box.value.trim())) continue;
      aside[own.id] = box.value;
      own.classList.add('fb-has');
    }
  };
  window.flipbookTakeBack = (id, now) => {
    const kept = aside[id];
    window.flipbookSetAside();
    return kept ?? now;
  };
  // The open tab too is there again after a reload.
  const tabs = () => [...document.querySelectorAll('.fb-form [role=tab]')];
  const keepTab = () => {
    try {
      sessionStorage.setItem('flipbook-tab', tabs().findIndex((tab) => tab.ariaSelected === 'true'));
    } catch {
      // This browser keeps nothing.
    }
  };
  addEventListener('pagehide', keepTab);
  document.addEventListener('visibilitychange', keepTab);
  const reopen = async () => {
    let at = 0;
    try {
      at = Number(sessionStorage.getItem('flipbook-tab'));
    } catch {
      // The first tab is open anyway.
    }
    for (let tries = 0; at > 0 && tries < 600 && !tabs()[at]; tries++) await new Promise(requestAnimationFrame);
    if (at > 0) tabs()[at]?.click();
  };
  reopen();
  // A file that is dropped beside its place would take the page away.
  for (const kind of ['dragover', 'drop']) {
    document.addEventListener(kind, (event) => {
      if (!event.defaultPrevented && event.dataTransfer?.types.includes('Files')) {
        event.preventDefault();
        event.dataTransfer.dropEffect = 'none';
      }
    });
  }
  // After the form was filled in from elsewhere on the page. A tab that was never open is still being put together.
  window.flipbookShowForm = async () => {
    const form = document.querySelector('.fb-form');
    let prompt;
    while (!prompt) {
      await new Promise(requestAnimationFrame);
      prompt = [...form.querySelectorAll('.fb-prompt-box textarea')].find((box) => box.offsetParent);
    }
    prompt.focus({ preventScroll: true });
    form.scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  };
}
