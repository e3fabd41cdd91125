for (const [address, text] of given.links) {
  const link = make('a', '', text);
  link.href = address;
  find('.fb-links').append(link);
}
