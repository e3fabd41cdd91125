// What the clip will take on this machine; asked for again when another clip has taught the studio more.
const draw = () => drawFacts(find('.fb-estimate'), (props.value && props.value.sentence) || '');
watch('value', draw);
hear('made', () => trigger('stale', { n: Date.now() }));
trigger('stale', { n: 0 });
