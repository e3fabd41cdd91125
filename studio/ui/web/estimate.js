// What the clip will take on this machine; asked for again when another clip has taught the studio more.
watchForm('wish', 100, 'estimate', ({ sentence }) => drawFacts(find('.fb-estimate'), sentence));
hear('made', () => trigger('stale', { n: Date.now() }));
trigger('stale', { n: 0 });
