"""The README.txt of a bundle: for a person who has nothing but the file."""

README = """\
EVIDENCE BUNDLE OF AN EXAM CENTRE

What is in it
  report.html            the account for people: open it in any browser
  film/                  the recording as the desk made it, file by file (MPEG-TS: VLC and most players show it)
  watch/                 the same in files that every player shows, picture by picture as the desk encoded them
  stills/                the pictures taken when alerts were raised
  timeline.json          what the desk told of this stretch, in order
  audit.json             who looked at it or did something about it
  chain/records.jsonl    the desk's signed records, each with the hash of the one before
  chain/minutes.json     the hub's signatures over the end of that chain, once a minute
  chain/certificates.pem whose keys those are
  purges/                certificates of what was removed by rule
  manifest.json          the list of all this, with the hash of each file
  manifest.tsr           where there is one, a time stamp (RFC 3161) over the list; --tsa FILE verifies it
  seal.json              the hub's signature over the list

How to verify it
  1. Get verify.py from somebody you trust, or take the one in here if you trust this file's sender.
  2. Get the centre's own certificate, root.pem, from the centre or from an authority that knows it; never from in here.
  3. With Python 3.11 or newer and its package `cryptography` (pip install cryptography):
         python verify.py BUNDLE.zip --ca root.pem
     No network is needed, and nothing is changed.

  "verified": every file is the one that the centre's hub listed and signed; every piece of film is the one that the
  desk signed when it was recorded; no record of the desk was changed, dropped, put in or moved.
  "consistent, signer unproven": the same, but without --ca anybody could have signed it.
  "something is WRONG": the lines say what.

What it does not prove
  That nothing else was recorded: whoever held the desk's card and key while it was cut off from the hub could have left
  out what was recorded since its last contact. Such time shows as time that is not covered.
  That a clock was right: the records say whether the desk's clock was known to be.
  Anything against the centre itself: who holds the hub's keys can sign what they like from then on; earlier signatures
  are fixed by the short code of each minute, where that was printed or written down.
"""
