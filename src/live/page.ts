/** The figures of the page, in their order; those of training steps first, where the eye is while a run goes on. */
export const pageFigures = [
  'forgetting',
  'loss',
  'trade-off',
  'kl',
  'gradients',
  'gradient-matrices',
  'contribution',
  'token-shift',
  'mix',
  'throughput',
  'layer-map',
] as const

/** Those of an embedded page, unless it is asked for others. */
const embeddedFigures = ['forgetting', 'loss']

export interface LivePageOptions {
  token: string
  isEmbedded: boolean
  plotly: string
}

/**
 * The HTML of the live page. Everything it loads comes from the server that sent it.
 * @param options its token, base64url, and where it has plotly.js
 */
export function livePage({ token, isEmbedded, plotly }: LivePageOptions): string {
  const figures = isEmbedded ? embeddedFigures : pageFigures
  const query = `token=${encodeURIComponent(token)}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Llama Pro Lab: runs</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css?${query}">
<script defer src="${plotly}"></script>
<script defer src="page.js?${query}"></script>
</head>
<body class="${isEmbedded ? 'embedded' : ''}" data-figures="${figures.join(' ')}">
<header><h1>Llama Pro Lab</h1><span id="connection" role="status">connecting</span></header>
<main>
<section id="runs" class="card"><table>
<thead><tr><th>run</th><th>status</th><th>step</th><th class="number">loss (nats/token)</th><th class="number">tokens/s</th><th class="number">time left</th><th></th></tr></thead>
<tbody><tr class="none"><td colspan="7">no runs yet</td></tr></tbody>
</table></section>
<form id="options" class="card">
<label>x <select id="x"><option value="step">step</option><option value="tokens">tokens</option><option value="seconds">time</option></select></label>
<label>losses in <select id="unit"><option value="nats">nats/token</option><option value="bitsPerByte">bits/byte</option></select></label>
<label hidden title="what the trade-off counts as forgotten">old domain <select id="forgottenProbe"><option value="">automatic</option></select></label>
<label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.9"><output for="smoothing">0.90</output></label>
<label><input id="logX" type="checkbox"> log x</label>
<label><input id="logY" type="checkbox"> log y</label>
<label><input id="clipOutliers" type="checkbox"> clip outliers</label>
</form>
<section id="gates" class="card" hidden><b>Gates of the new blocks</b><p id="scores" role="status" hidden></p></section>
<section id="walk" class="card" aria-label="block expansion step by step" hidden><b>Step by step</b><div class="steps"></div><form><label>on a text of your own <input id="prompt" maxlength="1000" autocomplete="off" placeholder="Enter shows the step with it"></label></form><span id="ladder" hidden><label>new blocks <input id="groups" type="number" min="1" max="999" placeholder="as it is"></label><label>at <select id="placement"><option value="interleaved">interleaved</option><option value="prefix">the bottom</option><option value="suffix">the top</option></select></label></span><img alt="" hidden></section>
<section id="figures"></section>
<section id="log" class="card" aria-label="events" hidden></section>
<div id="message" class="card" role="alert" hidden></div>
</main>
</body>
</html>
`
}
