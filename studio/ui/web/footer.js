// Who signs in next here shall not find what this one was about to ask for.
function forget() {
  for (const store of ['localStorage', 'sessionStorage']) {
    try {
      for (const key of Object.keys(window[store])) if (key.startsWith('flipbook')) window[store].removeItem(key);
    } catch {
      // This browser keeps nothing.
    }
  }
}
for (const [address, text] of given.links) {
  const link = make('a', '', text);
  link.href = address;
  if (address === 'logout') link.addEventListener('click', forget);
  find('.fb-links').append(link);
}
