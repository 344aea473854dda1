/* The tiny_mlp workload by hand: what the machine allows, with the shapes known at compile time.
 * Weights are (in, out), row-major. Activations are kept feature-major, [feature][point], so that
 * every inner loop runs over the points. train() runs `steps` updates in place and returns the
 * loss of the last one, computed before its update. */

enum { N = 100, NP = 112, I = 2, H = 16 }; /* NP: N rounded up to whole vectors, padded with 0 */
static const float LR = 0.05f;

static float x0[I][NP], h1[H][NP], h2[H][NP], g1[H][NP], g2[H][NP], score[NP], gs[NP], label[NP];

static void hidden(int in, float (*below)[NP], const float *w, const float *b, float (*out)[NP]) {
    for (int j = 0; j < H; j++) {
        float row[NP];
        for (int n = 0; n < NP; n++) row[n] = b[j];
        for (int i = 0; i < in; i++)
            for (int n = 0; n < NP; n++) row[n] += below[i][n] * w[i * H + j];
        for (int n = 0; n < NP; n++) out[j][n] = row[n] > 0 ? row[n] : 0;
    }
}

static void update(int in, float (*below)[NP], float (*g)[NP], float *w, float *b) {
    for (int j = 0; j < H; j++) {
        float db = 0;
        for (int n = 0; n < NP; n++) db += g[j][n];
        b[j] -= LR * db;
        for (int i = 0; i < in; i++) {
            float dw = 0;
            for (int n = 0; n < NP; n++) dw += below[i][n] * g[j][n];
            w[i * H + j] -= LR * dw;
        }
    }
}

static float step(float *w0, float *b0, float *w1, float *b1, float *w2, float *b2) {
    float loss = 0, db = 0;
    hidden(I, x0, w0, b0, h1);
    hidden(H, h1, w1, b1, h2);
    for (int n = 0; n < NP; n++) score[n] = b2[0];
    for (int i = 0; i < H; i++)
        for (int n = 0; n < NP; n++) score[n] += h2[i][n] * w2[i];
    for (int n = 0; n < N; n++) {
        float margin = 1 - label[n] * score[n];
        loss += margin > 0 ? margin : 0;
        gs[n] = margin > 0 ? -label[n] / N : 0; /* stays 0 in the padding */
    }
    for (int i = 0; i < H; i++)
        for (int n = 0; n < NP; n++) g2[i][n] = h2[i][n] > 0 ? gs[n] * w2[i] : 0;
    for (int i = 0; i < H; i++) {
        float row[NP] = {0};
        for (int j = 0; j < H; j++)
            for (int n = 0; n < NP; n++) row[n] += g2[j][n] * w1[i * H + j];
        for (int n = 0; n < NP; n++) g1[i][n] = h1[i][n] > 0 ? row[n] : 0;
    }
    for (int i = 0; i < H; i++) {
        float dw = 0;
        for (int n = 0; n < NP; n++) dw += h2[i][n] * gs[n];
        w2[i] -= LR * dw;
    }
    for (int n = 0; n < N; n++) db += gs[n];
    b2[0] -= LR * db;
    update(H, h1, g2, w1, b1);
    update(I, x0, g1, w0, b0);
    return loss / N;
}

float train(int steps, const float *x, const float *y, float *w0, float *b0, float *w1, float *b1,
            float *w2, float *b2) {
    float loss = 0;
    for (int n = 0; n < N; n++) {
        for (int i = 0; i < I; i++) x0[i][n] = x[n * I + i];
        label[n] = y[n];
    }
    for (int k = 0; k < steps; k++) loss = step(w0, b0, w1, b1, w2, b2);
    return loss;
}
